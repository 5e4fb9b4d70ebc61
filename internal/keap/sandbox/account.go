package sandbox

import (
	"slices"
	"strings"
)

type profileAddress struct {
	Field      string `json:"field,omitempty"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2"`
	Locality   string `json:"locality"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country_code"`
}

// profile is v1's GET /account/profile and v2's GET /businessProfile; v1 names the kind of the address.
func profile(t *tenant, c *call) reply {
	a := profileAddress{Line1: "1 Sandbox Way", Locality: "Chandler", Region: "Arizona", PostalCode: "85225", Country: "USA"}
	if c.version == 1 {
		a.Field = "BILLING"
	}
	return ok(map[string]any{
		"name": "Sandbox " + t.app, "email": "owner@" + t.app + ".example.com", "phone": "", "website": "https://" + t.app + ".example.com",
		"time_zone": "America/Phoenix", "currency_code": "USD", "language_tag": "en-US", "address": a, "business_type": "Other", "business_goals": []string{},
		"business_primary_color": "", "business_secondary_color": "", "logo_url": "",
	})
}

// userInfo is who the credential belongs to: the first user of the application.
func userInfo(t *tenant, c *call) reply {
	id := t.users.rows[0].id
	u := t.users.rows[0].row
	if c.version == 2 {
		return ok(map[string]any{"email": u.Email, "sub": u.Email, "id": id.String(), "keap_id": u.Email, "family_name": u.FamilyName, "given_name": u.GivenName,
			"middle_name": "", "preferred_name": u.GivenName, "is_admin": u.Admin, "tenant_id": t.app + ".infusionsoft.com"})
	}
	return ok(map[string]any{"email": u.Email, "sub": u.Email, "global_user_id": id, "infusionsoft_id": u.Email, "family_name": u.FamilyName,
		"given_name": u.GivenName, "middle_name": "", "preferred_name": u.GivenName, "is_admin": u.Admin})
}

type v1User struct {
	ID      ref        `json:"id"`
	Email   string     `json:"email_address"`
	Given   string     `json:"given_name"`
	Family  string     `json:"family_name"`
	Status  string     `json:"status"`
	Global  ref        `json:"global_user_id"`
	KeapID  string     `json:"infusionsoft_id"`
	Partner bool       `json:"partner"`
	Phones  []struct{} `json:"phone_numbers"`
	Faxes   []struct{} `json:"fax_numbers"`
}

type v2User struct {
	ID      string        `json:"id"`
	Emails  []v2UserEmail `json:"email_addresses"`
	Given   string        `json:"given_name"`
	Family  string        `json:"family_name"`
	Status  string        `json:"status"`
	Global  string        `json:"global_user_id"`
	KeapID  string        `json:"keap_id"`
	Partner bool          `json:"partner"`
	Admin   bool          `json:"admin"`
	Phones  []struct{}    `json:"phone_numbers"`
	Faxes   []struct{}    `json:"fax_numbers"`
}

type v2UserEmail struct {
	Email string `json:"email"`
	Field string `json:"field"`
}

func user1(id ref, u *User) v1User {
	return v1User{ID: id, Email: u.Email, Given: u.GivenName, Family: u.FamilyName, Status: u.status(), Global: id, KeapID: u.Email, Phones: []struct{}{}, Faxes: []struct{}{}}
}

func user2(id ref, u *User) v2User {
	return v2User{ID: id.String(), Emails: []v2UserEmail{{u.Email, "EMAIL1"}}, Given: u.GivenName, Family: u.FamilyName, Status: strings.ToUpper(u.status()),
		Global: id.String(), KeapID: u.Email, Admin: u.Admin, Phones: []struct{}{}, Faxes: []struct{}{}}
}

func (u *User) status() string {
	if u.Inactive {
		return "Inactive"
	}
	return "Active"
}

func listUsers1(t *tenant, c *call) reply {
	inactive := c.query.Get("include_inactive") != "false"
	return reply1(c, "users", pick(&t.users, func(_ ref, u *User) bool { return inactive || !u.Inactive }, user1))
}

// maxUsers is the longest page of v2's users.
const maxUsers = 100

func listUsers2(t *tenant, c *call) reply {
	filter, err := c.filter("email", "given_name", "include_inactive", "include_partners", "user_ids")
	if err != nil {
		return c.bad(err.Error())
	}
	rows := pick(&t.users, func(id ref, u *User) bool {
		return !slices.ContainsFunc(filter, func(f condition) bool {
			switch f.name {
			case "email":
				return !f.text(u.Email)
			case "given_name":
				return !f.text(u.GivenName)
			case "include_inactive":
				return f.value == "false" && u.Inactive
			case "user_ids":
				return !f.number(int64(id))
			}
			return false
		})
	}, user2)
	from, to, next, err := c.page2(maxUsers, len(rows))
	if err != nil {
		return c.bad(err.Error())
	}
	return ok(map[string]any{"users": rows[from:to], "next_page_token": next})
}

func getUser2(t *tenant, c *call) reply {
	u, found := t.users.get(c.id(0))
	if !found {
		return c.notFound("User", c.args[0])
	}
	return ok(user2(c.id(0), u))
}

// enabled tells that the application is; v1 and v2 word it differently.
func enabled(_ *tenant, c *call) reply {
	if c.version == 2 {
		return ok(map[string]bool{"isEnabled": true})
	}
	return ok(map[string]string{"value": "true"})
}

// emptyModel is the model of a record that has no custom fields here.
func emptyModel(*tenant, *call) reply {
	return ok(map[string]any{"custom_fields": []struct{}{}, "optional_properties": []string{}})
}

func listMerchants1(*tenant, *call) reply {
	return ok(map[string]any{"default_merchant_account": 0, "merchant_accounts": []struct{}{}})
}

// contactTypes are the types that a contact may have; v1 writes them into one text.
func contactTypes(_ *tenant, c *call) reply {
	types := []string{"Lead", "Customer", "Other"}
	if c.version == 2 {
		return ok(map[string]any{"option_types": types})
	}
	return ok(map[string]string{"value": strings.Join(types, ",")})
}
