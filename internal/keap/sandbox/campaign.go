package sandbox

import (
	"slices"
	"strings"
)

type v1Goal struct {
	ID     ref    `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Next   []ref  `json:"next_sequence_ids"`
	Before []ref  `json:"previous_sequence_ids"`
}

type v1Sequence struct {
	ID        ref        `json:"id"`
	Name      string     `json:"name"`
	Active    int        `json:"active_contact_count"`
	Completed int        `json:"active_contact_count_completed"`
	Paths     []struct{} `json:"paths"`
}

type v1Campaign struct {
	ID        ref          `json:"id"`
	Name      string       `json:"name"`
	Created   string       `json:"date_created"`
	Published string       `json:"published_date"`
	Status    bool         `json:"published_status"`
	Locked    bool         `json:"locked"`
	Active    *int         `json:"active_contact_count,omitempty"` // of one campaign only
	Completed *int         `json:"completed_contact_count,omitempty"`
	Goals     []v1Goal     `json:"goals,omitzero"`
	Sequences []v1Sequence `json:"sequences,omitzero"`
}

func (a *automation) active() int {
	n := 0
	for _, s := range a.sequences.rows {
		n += len(s.row.members)
	}
	return n
}

func (a *automation) campaign1(id ref, want []string) v1Campaign {
	out := v1Campaign{ID: id, Name: a.title, Created: stamp(a.created), Published: stamp(a.created), Status: true}
	if slices.Contains(want, "goals") {
		out.Goals = pick(&a.goals, all, func(id ref, g *goal) v1Goal { return v1Goal{id, g.name, g.kind, []ref{}, []ref{}} })
	}
	if slices.Contains(want, "sequences") {
		out.Sequences = pick(&a.sequences, all, func(id ref, s *sequence) v1Sequence {
			return v1Sequence{ID: id, Name: s.name, Active: len(s.members), Paths: []struct{}{}}
		})
	}
	return out
}

func listCampaigns1(t *tenant, c *call) reply {
	search := strings.ToLower(c.query.Get("search_text"))
	return reply1(c, "campaigns", pick(&t.automations, func(_ ref, a *automation) bool { return strings.Contains(strings.ToLower(a.title), search) },
		func(id ref, a *automation) v1Campaign { return a.campaign1(id, nil) }))
}

func getCampaign1(t *tenant, c *call) reply {
	a, found := t.automations.get(c.id(0))
	if !found {
		return c.notFound("Campaign", c.args[0])
	}
	out := a.campaign1(c.id(0), list(c.query, "optional_properties"))
	out.Active, out.Completed = new(a.active()), new(0)
	return ok(out)
}

type v2Campaign struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Locked    bool   `json:"locked"`
	Created   string `json:"date_created"`
	Published string `json:"published_date"`
	Status    bool   `json:"published_status"`
	Active    int    `json:"active_contact_count"`
	Completed int    `json:"completed_contact_count"`
}

func campaign2(id ref, a *automation) v2Campaign {
	return v2Campaign{ID: id.String(), Name: a.title, Created: stamp(a.created), Published: stamp(a.created), Status: true, Active: a.active()}
}

func listCampaigns2(t *tenant, c *call) reply {
	filter, err := c.filter("name")
	if err != nil {
		return c.bad(err.Error())
	}
	return reply2(c, "campaigns", pick(&t.automations, func(_ ref, a *automation) bool {
		return !slices.ContainsFunc(filter, func(f condition) bool { return !f.within(a.title) })
	}, campaign2))
}

// within is a text filter of campaigns and automations: without a wildcard it looks anywhere in the name.
func (f condition) within(have string) bool {
	if strings.HasSuffix(f.value, "*") {
		return f.text(have)
	}
	return strings.Contains(strings.ToLower(have), strings.ToLower(f.value))
}

func getCampaign2(t *tenant, c *call) reply {
	a, found := t.automations.get(c.id(0))
	if !found {
		return c.notFound("Campaign", c.args[0])
	}
	return ok(campaign2(c.id(0), a))
}

func campaignGoals(t *tenant, c *call) reply {
	a, found := t.automations.get(c.id(0))
	if !found {
		return c.notFound("Campaign", c.args[0])
	}
	type row struct {
		ID     string   `json:"id"`
		Name   string   `json:"name"`
		Type   string   `json:"type"`
		Next   []string `json:"next_sequence_ids"`
		Before []string `json:"previous_sequence_ids"`
	}
	return ok(map[string]any{"campaign_id": c.args[0], "next_page_token": "",
		"goals": pick(&a.goals, all, func(id ref, g *goal) row { return row{id.String(), g.name, g.kind, []string{}, []string{}} })})
}

func campaignSequences(t *tenant, c *call) reply {
	a, found := t.automations.get(c.id(0))
	if !found {
		return c.notFound("Campaign", c.args[0])
	}
	type row struct {
		ID        string     `json:"id"`
		Name      string     `json:"name"`
		Active    int        `json:"active_contact_count"`
		Completed int        `json:"active_contact_count_completed"`
		Paths     []struct{} `json:"paths"`
	}
	return ok(map[string]any{"campaign_id": c.args[0], "next_page_token": "",
		"sequences": pick(&a.sequences, all, func(id ref, s *sequence) row { return row{id.String(), s.name, len(s.members), 0, []struct{}{}} })})
}

type v2Automation struct {
	ID         string   `json:"id"`
	Title      string   `json:"title"`
	Categories []string `json:"categories"`
	Status     string   `json:"status"`
	Locked     bool     `json:"locked"`
	Active     int      `json:"active_contacts"`
	Published  string   `json:"published_date"`
}

func automation2(id ref, a *automation) v2Automation {
	return v2Automation{ID: id.String(), Title: a.title, Categories: []string{}, Status: "PUBLISHED", Active: a.active(), Published: stamp(a.created)}
}

// maxAutomations is the longest page of automations.
const maxAutomations = 25

func listAutomations(t *tenant, c *call) reply {
	filter, err := c.filter("name", "id", "automation_id", "status", "categories")
	if err != nil {
		return c.bad(err.Error())
	}
	rows := pick(&t.automations, func(id ref, a *automation) bool {
		for _, f := range filter {
			switch f.name {
			case "name":
				if !f.within(a.title) {
					return false
				}
			case "status":
				if !strings.EqualFold(f.value, "published") {
					return false
				}
			case "categories":
				return false
			default:
				if !f.number(int64(id)) {
					return false
				}
			}
		}
		return true
	}, automation2)
	from, to, next, err := c.page2(maxAutomations, len(rows))
	if err != nil {
		return c.bad(err.Error())
	}
	return ok(map[string]any{"automations": rows[from:to], "next_page_token": next, "automation_count": len(rows)})
}

func getAutomation(t *tenant, c *call) reply {
	a, found := t.automations.get(c.id(0))
	if !found {
		return c.notFound("Automation", c.args[0])
	}
	return ok(automation2(c.id(0), a))
}

func automationIDs(t *tenant, c *call) reply {
	ids := pick(&t.automations, all, func(id ref, _ *automation) string { return id.String() })
	from, to, next, err := c.page2(maxAutomations, len(ids))
	if err != nil {
		return c.bad(err.Error())
	}
	return ok(map[string]any{"automation_ids": ids[from:to], "locked_automation_ids": []string{}, "next_page_token": next})
}
