package sandbox

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

type stage struct {
	name  string
	order int
}

type opportunity struct {
	contact, stage, user ref
	title, notes         string
	low, high            json.Number
	closes, next         time.Time
	nextNotes            string
	created, updated     time.Time
}

type v1Opportunity struct {
	ID      ref         `json:"id"`
	Title   string      `json:"opportunity_title"`
	Contact *v1Person   `json:"contact"`
	Stage   v1Stage     `json:"stage"`
	User    *v1UserName `json:"user,omitempty"`
	Notes   string      `json:"opportunity_notes"`
	Low     json.Number `json:"projected_revenue_low"`
	High    json.Number `json:"projected_revenue_high"`
	Closes  string      `json:"estimated_close_date,omitempty"`
	Next    string      `json:"next_action_date,omitempty"`
	ToDo    string      `json:"next_action_notes,omitempty"`
	Created string      `json:"date_created"`
	Updated string      `json:"last_updated"`
}

type v1Stage struct {
	ID   ref    `json:"id"`
	Name string `json:"name"`
}

type v1UserName struct {
	ID    ref    `json:"id"`
	First string `json:"first_name"`
	Last  string `json:"last_name"`
}

type v2Opportunity struct {
	ID      string          `json:"id"`
	Title   string          `json:"opportunity_title"`
	Contact v2OppContact    `json:"contact"`
	Stage   v2StageRef      `json:"stage"`
	User    *v2UserFullName `json:"user,omitempty"`
	Notes   string          `json:"opportunity_notes,omitempty"`
	Low     json.Number     `json:"projected_revenue_low"`
	High    json.Number     `json:"projected_revenue_high"`
	Closes  string          `json:"estimated_close_time,omitempty"`
	Next    string          `json:"next_action_time,omitempty"`
	ToDo    string          `json:"next_action_notes,omitempty"`
	Created string          `json:"created_time"`
	Updated string          `json:"last_updated_time"`
}

type v2OppContact struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	First string `json:"first_name"`
	Last  string `json:"last_name"`
}

type v2StageRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type v2UserFullName struct {
	ID    string `json:"id"`
	First string `json:"first_name"`
	Last  string `json:"last_name"`
}

func (t *tenant) opportunity1(id ref, o *opportunity) v1Opportunity {
	out := v1Opportunity{ID: id, Title: o.title, Contact: t.person1(o.contact), Stage: v1Stage{ID: o.stage}, Notes: o.notes, Low: cmp.Or(o.low, "0"),
		High: cmp.Or(o.high, "0"), Closes: stamp(o.closes), Next: stamp(o.next), ToDo: o.nextNotes, Created: stamp(o.created), Updated: stamp(o.updated)}
	if out.Contact == nil {
		out.Contact = &v1Person{ID: o.contact}
	}
	if s, ok := t.stages.get(o.stage); ok {
		out.Stage.Name = s.name
	}
	if u, ok := t.users.get(o.user); ok {
		out.User = &v1UserName{o.user, u.GivenName, u.FamilyName}
	}
	return out
}

func (t *tenant) opportunity2(id ref, o *opportunity) v2Opportunity {
	one := t.opportunity1(id, o)
	out := v2Opportunity{ID: id.String(), Title: o.title, Contact: v2OppContact{o.contact.String(), one.Contact.Email, one.Contact.First, one.Contact.Last},
		Stage: v2StageRef{o.stage.String(), one.Stage.Name}, Notes: o.notes, Low: one.Low, High: one.High, Closes: one.Closes, Next: one.Next, ToDo: o.nextNotes,
		Created: one.Created, Updated: one.Updated}
	if one.User != nil {
		out.User = &v2UserFullName{o.user.String(), one.User.First, one.User.Last}
	}
	return out
}

// addOpportunity checks and files one; the reply is a refusal.
func (t *tenant) addOpportunity(c *call, o *opportunity) *reply {
	var r reply
	_, person := t.contactByID(o.contact)
	_, known := t.stages.get(o.stage)
	switch {
	case o.title == "" || o.contact == 0 || o.stage == 0:
		r = c.bad("opportunity_title, contact and stage are required")
	case !person:
		r = c.notFound("Contact", o.contact.String())
	case !known:
		r = c.bad("Stage " + o.stage.String() + " not found")
	default:
		o.created, o.updated = c.now, c.now
		id := t.opportunities.put(0, o)
		c.about("contact", o.contact)
		c.about("opportunity", id)
		t.happened(c, "opportunity.add", id)
		return nil
	}
	return &r
}

func createOpportunity1(t *tenant, c *call) reply {
	var in struct {
		ID       ref             `json:"id"`
		Title    string          `json:"opportunity_title"`
		Contact  json.RawMessage `json:"contact"`
		Stage    json.RawMessage `json:"stage"`
		User     json.RawMessage `json:"user"`
		Notes    string          `json:"opportunity_notes"`
		Low      json.Number     `json:"projected_revenue_low"`
		High     json.Number     `json:"projected_revenue_high"`
		Closes   instant         `json:"estimated_close_date"`
		Next     instant         `json:"next_action_date"`
		ToDo     string          `json:"next_action_notes"`
		Forecast int             `json:"include_in_forecast"`
		Partner  ref             `json:"affiliate_id"`
		Custom   []v1CustomID    `json:"custom_fields"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	o := &opportunity{title: in.Title, notes: in.Notes, low: in.Low, high: in.High, closes: in.Closes.Time, next: in.Next.Time, nextNotes: in.ToDo,
		contact: idIn(in.Contact), stage: idIn(in.Stage), user: idIn(in.User)}
	if r := t.addOpportunity(c, o); r != nil {
		return *r
	}
	return ok(t.opportunity1(t.opportunities.last, o))
}

// idIn is the id of an object that may hold more.
func idIn(raw json.RawMessage) ref {
	var in struct {
		ID ref `json:"id"`
	}
	_ = json.Unmarshal(raw, &in) // what has no id is refused as missing
	return in.ID
}

// v2OpportunityIn is the body of a creation, and of a change in which what is left out stays.
type v2OpportunityIn struct {
	Title    *string     `json:"opportunity_title"`
	Contact  ref         `json:"contact_id"`
	Stage    ref         `json:"stage_id"`
	User     ref         `json:"user_id"`
	Notes    *string     `json:"opportunity_notes"`
	Low      json.Number `json:"projected_revenue_low"`
	High     json.Number `json:"projected_revenue_high"`
	Closes   instant     `json:"estimated_close_time"`
	Next     instant     `json:"next_action_time"`
	ToDo     *string     `json:"next_action_notes"`
	Forecast bool        `json:"include_in_forecast"`
	Partner  ref         `json:"affiliate_id"`
}

func (in *v2OpportunityIn) into(o *opportunity) {
	o.title, o.notes, o.nextNotes = orKeep(in.Title, o.title), orKeep(in.Notes, o.notes), orKeep(in.ToDo, o.nextNotes)
	o.contact, o.stage, o.user = cmp.Or(in.Contact, o.contact), cmp.Or(in.Stage, o.stage), cmp.Or(in.User, o.user)
	o.low, o.high = cmp.Or(in.Low, o.low), cmp.Or(in.High, o.high)
	o.closes, o.next = cmp.Or(in.Closes.Time, o.closes), cmp.Or(in.Next.Time, o.next)
}

func createOpportunity2(t *tenant, c *call) reply {
	var in v2OpportunityIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	o := &opportunity{}
	in.into(o)
	if r := t.addOpportunity(c, o); r != nil {
		return *r
	}
	return created(t.opportunity2(t.opportunities.last, o))
}

func patchOpportunity2(t *tenant, c *call) reply {
	o, found := t.opportunities.get(c.id(0))
	if !found {
		return c.notFound("Opportunity", c.args[0])
	}
	var in v2OpportunityIn
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if _, known := t.stages.get(cmp.Or(in.Stage, o.stage)); !known {
		return c.bad("Stage " + in.Stage.String() + " not found")
	}
	moved := in.Stage != 0 && in.Stage != o.stage
	in.into(o)
	o.updated = c.now
	t.happened(c, "opportunity.edit", c.id(0))
	if moved {
		t.happened(c, "opportunity.stage_move", c.id(0))
	}
	return ok(t.opportunity2(c.id(0), o))
}

func deleteOpportunity(t *tenant, c *call) reply {
	if !t.opportunities.remove(c.id(0)) {
		return c.notFound("Opportunity", c.args[0])
	}
	t.happened(c, "opportunity.delete", c.id(0))
	return none()
}

func getOpportunity(t *tenant, c *call) reply {
	o, found := t.opportunities.get(c.id(0))
	if !found {
		return c.notFound("Opportunity", c.args[0])
	}
	if c.version == 2 {
		return ok(t.opportunity2(c.id(0), o))
	}
	return ok(t.opportunity1(c.id(0), o))
}

func listOpportunities1(t *tenant, c *call) reply {
	stage, user := parseRef(c.query.Get("stage_id")), parseRef(c.query.Get("user_id"))
	return reply1(c, "opportunities", pick(&t.opportunities, func(_ ref, o *opportunity) bool {
		return (stage == 0 || o.stage == stage) && (user == 0 || o.user == user)
	}, t.opportunity1))
}

func listOpportunities2(t *tenant, c *call) reply {
	filter, err := c.filter("stage_id", "user_id", "contact_id", "opportunity_title", "opportunity_id", "ids")
	if err != nil {
		return c.bad(err.Error())
	}
	return reply2(c, "opportunities", pick(&t.opportunities, func(id ref, o *opportunity) bool {
		return !slices.ContainsFunc(filter, func(f condition) bool {
			switch f.name {
			case "stage_id":
				return !f.number(int64(o.stage))
			case "user_id":
				return !f.number(int64(o.user))
			case "contact_id":
				return !f.number(int64(o.contact))
			case "opportunity_title":
				return !f.text(o.title)
			}
			return !f.number(int64(id))
		})
	}, t.opportunity2))
}

func listStages1(t *tenant, _ *call) reply {
	type row struct {
		ID      ref    `json:"stage_id"`
		Name    string `json:"stage_name"`
		Order   int    `json:"stage_order"`
		Count   int    `json:"stage_count"`
		End     bool   `json:"end_stage"`
		Default bool   `json:"is_default"`
	}
	return ok(pick(&t.stages, all, func(id ref, s *stage) row {
		n := len(pick(&t.opportunities, func(_ ref, o *opportunity) bool { return o.stage == id }, func(ref, *opportunity) bool { return true }))
		return row{id, s.name, s.order, n, int(id) == len(t.stages.rows), id == 1}
	}))
}

func listStages2(t *tenant, c *call) reply {
	type row struct {
		ID    string     `json:"id"`
		Name  string     `json:"name"`
		Order int        `json:"order"`
		Days  int        `json:"target_number_days"`
		Odds  int        `json:"probability"`
		Items []struct{} `json:"checklist_items"`
	}
	return reply2(c, "stages", pick(&t.stages, all, func(id ref, s *stage) row {
		return row{ID: id.String(), Name: s.name, Order: s.order, Items: []struct{}{}}
	}))
}
