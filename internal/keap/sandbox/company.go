package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

type company struct {
	name, email, website, notes string
	created, updated            time.Time
}

type v1CompanyOut struct {
	ID      ref    `json:"id"`
	Name    string `json:"company_name"`
	Email   string `json:"email_address,omitempty"`
	Website string `json:"website,omitempty"`
	Notes   string `json:"notes,omitempty"`
}

type v2CompanyOut struct {
	ID      string `json:"id"`
	Name    string `json:"company_name"`
	Website string `json:"website,omitempty"`
	Notes   string `json:"notes,omitempty"`
	Created string `json:"create_time"`
	Updated string `json:"update_time"`
}

func company1(id ref, x *company) v1CompanyOut {
	return v1CompanyOut{id, x.name, x.email, x.website, x.notes}
}

func company2(id ref, x *company) v2CompanyOut {
	return v2CompanyOut{id.String(), x.name, x.website, x.notes, stamp(x.created), stamp(x.updated)}
}

// createCompany takes what both versions call alike and passes over the rest.
func createCompany(t *tenant, c *call) reply {
	var in struct {
		Name    string          `json:"company_name"`
		Website string          `json:"website"`
		Notes   string          `json:"notes"`
		Email   json.RawMessage `json:"email_address"`
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return c.bad("Cannot parse request: " + err.Error())
	}
	if in.Name == "" {
		return c.bad("company_name is required")
	}
	x := &company{name: in.Name, website: in.Website, notes: in.Notes, created: c.now, updated: c.now}
	_ = json.Unmarshal(in.Email, &x.email) // an object in v2, which its answer leaves out
	id := t.companies.put(0, x)
	c.about("company", id)
	t.happened(c, "company.add", id)
	if c.version == 2 {
		return created(company2(id, x))
	}
	return created(company1(id, x))
}

func listCompanies1(t *tenant, c *call) reply {
	name := c.query.Get("company_name")
	return reply1(c, "companies", pick(&t.companies, func(_ ref, x *company) bool { return name == "" || strings.EqualFold(x.name, name) }, company1))
}

func listCompanies2(t *tenant, c *call) reply {
	filter, err := c.filter("company_name", "name", "company_id")
	if err != nil {
		return c.bad(err.Error())
	}
	return reply2(c, "companies", pick(&t.companies, func(id ref, x *company) bool {
		return !slices.ContainsFunc(filter, func(f condition) bool {
			if f.name == "company_id" {
				return !f.number(int64(id))
			}
			return !f.text(x.name)
		})
	}, company2))
}

func getCompany(t *tenant, c *call) reply {
	x, found := t.companies.get(c.id(0))
	if !found {
		return c.notFound("Company", c.args[0])
	}
	if c.version == 2 {
		return ok(company2(c.id(0), x))
	}
	return ok(company1(c.id(0), x))
}
