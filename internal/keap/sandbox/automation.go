package sandbox

import (
	"net/http"
	"strings"
	"time"
)

// automation is an automation ("campaign" in older words): goals that start it and sequences that it runs.
type automation struct {
	title     string
	created   time.Time
	goals     table[goal]
	sequences table[sequence]
}

type goal struct {
	name, kind        string
	integration, call string // of API goals
}

type sequence struct {
	name    string
	members map[ref]bool
}

// GoalRun is a goal that a contact achieved. Each achievement is a run of its own.
type GoalRun struct {
	ContactID   string    `json:"contact_id"`
	Integration string    `json:"integration"`
	Call        string    `json:"call"`
	Automation  string    `json:"automation_id"`
	Goal        string    `json:"goal_id"`
	At          time.Time `json:"at"`
}

// SequenceRun is a contact's way through a sequence, from being added to being removed.
type SequenceRun struct {
	ContactID  string     `json:"contact_id"`
	Automation string     `json:"automation_id"`
	Sequence   string     `json:"sequence_id"`
	At         time.Time  `json:"at"`
	RemovedAt  *time.Time `json:"removed_at,omitempty"`
}

// goalHit is a goal that a call achieves.
type goalHit struct {
	automation, goal  ref
	integration, call string
}

// goalsNamed finds the goals of an integration and call name, which may be in several automations. An unknown one
// is made, unless only known ones are to count: Keap then presumably answers an empty list.
func (t *tenant) goalsNamed(c *call, integration, name string) []goalHit {
	var hits []goalHit
	for _, a := range t.automations.rows {
		for _, g := range a.row.goals.rows {
			if strings.EqualFold(g.row.integration, integration) && strings.EqualFold(g.row.call, name) {
				hits = append(hits, goalHit{a.id, g.id, integration, name})
			}
		}
	}
	if hits == nil && !c.flags.knownOnly {
		a := &automation{title: integration + " " + name, created: c.now}
		g := a.goals.put(0, &goal{name, "API", integration, name})
		hits = append(hits, goalHit{t.automations.put(0, a), g, integration, name})
	}
	return hits
}

func (t *tenant) achieve(c *call, contact ref, hits []goalHit) {
	for _, h := range hits {
		t.goals = append(t.goals, GoalRun{contact.String(), h.integration, h.call, h.automation.String(), h.goal.String(), c.now})
	}
	c.about("contact", contact)
}

const goalAchieved = "Goal achieved"

func achieveGoal1(t *tenant, c *call) reply {
	var in struct {
		Contact ref `json:"contact_id"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if _, found := t.contactByID(in.Contact); !found {
		return c.notFound("Contact", in.Contact.String())
	}
	type row struct {
		Campaign ref    `json:"campaign_id"`
		Goal     ref    `json:"goal_id"`
		Message  string `json:"message"`
		Success  bool   `json:"success"`
	}
	hits := t.goalsNamed(c, c.args[0], c.args[1])
	t.achieve(c, in.Contact, hits)
	rows := []row{}
	for _, h := range hits {
		rows = append(rows, row{h.automation, h.goal, goalAchieved, true})
	}
	return created(rows)
}

func achieveGoal2(t *tenant, c *call) reply {
	var in struct {
		Contact     ref    `json:"contact_id"`
		Integration string `json:"integration"`
		Call        string `json:"call_name"`
		Automation  ref    `json:"automation_id"`
		Goal        ref    `json:"goal_id"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if _, found := t.contactByID(in.Contact); !found {
		return c.notFound("Contact", in.Contact.String())
	}
	var hits []goalHit
	switch {
	case in.Integration != "" && in.Call != "":
		hits = t.goalsNamed(c, in.Integration, in.Call)
	case in.Automation != 0 && in.Goal != 0:
		a, found := t.automations.get(in.Automation)
		if !found {
			return c.notFound("Automation", in.Automation.String())
		}
		g, found := a.goals.get(in.Goal)
		if !found {
			return c.notFound("Goal", in.Goal.String())
		}
		hits = []goalHit{{in.Automation, in.Goal, g.integration, g.call}}
	default:
		return c.bad("integration and call_name, or automation_id and goal_id, are required")
	}
	t.achieve(c, in.Contact, hits)
	type row struct {
		Success    bool       `json:"success"`
		Message    string     `json:"message"`
		Automation ref        `json:"automation_id"`
		Goal       ref        `json:"goal_id"`
		Starts     []struct{} `json:"flow_start_results"`
		Stops      []struct{} `json:"flow_stop_results"`
	}
	rows := []row{}
	for _, h := range hits {
		rows = append(rows, row{true, goalAchieved, h.automation, h.goal, []struct{}{}, []struct{}{}})
	}
	return ok(map[string]any{"results": rows})
}

// achieveWordPress achieves the goal behind an opt-in option of the WordPress plug-in; it is recorded as the goal
// wordpress/KEY.
func achieveWordPress(t *tenant, c *call) reply {
	var in struct {
		Contact ref `json:"contact_id"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	if _, found := t.contactByID(in.Contact); !found {
		return c.notFound("Contact", in.Contact.String())
	}
	hits := t.goalsNamed(c, "wordpress", c.args[0])
	t.achieve(c, in.Contact, hits)
	return reply{status: http.StatusAccepted, body: map[string]bool{"successful": len(hits) > 0}}
}

// Results of adding to a sequence.
const (
	sequenceAdded   = "SUCCESS"
	sequenceAlready = "ALREADY_IN_SEQUENCE"
	sequenceNobody  = "CONTACT_DOES_NOT_EXIST"
	sequenceFailed  = "FAILED"
)

// sequenceOf finds a sequence; an unknown one is made unless only known ones are to count.
func (t *tenant) sequenceOf(c *call, automationID, sequenceID ref) (*sequence, bool) {
	a, found := t.automations.get(automationID)
	if !found {
		if c.flags.knownOnly || automationID == 0 {
			return nil, false
		}
		a = &automation{title: "Automation " + automationID.String(), created: c.now}
		t.automations.put(automationID, a)
	}
	s, found := a.sequences.get(sequenceID)
	if !found {
		if c.flags.knownOnly || sequenceID == 0 {
			return nil, false
		}
		s = &sequence{name: "Sequence " + sequenceID.String()}
		a.sequences.put(sequenceID, s)
	}
	if s.members == nil {
		s.members = map[ref]bool{}
	}
	return s, true
}

// enrol changes who is in a sequence: the result of each contact.
func (t *tenant) enrol(c *call, add bool, contacts []ref) map[string]string {
	a, q := c.id(0), c.id(1)
	s, known := t.sequenceOf(c, a, q)
	c.about("contact", contacts...)
	c.about("sequence", q)
	out := map[string]string{}
	for _, id := range contacts {
		_, exists := t.contactByID(id)
		switch {
		case !exists:
			out[id.String()] = sequenceNobody
		case !known:
			out[id.String()] = sequenceFailed
		case add && s.members[id]:
			out[id.String()] = sequenceAlready
		case add:
			s.members[id] = true
			t.sequenceRuns = append(t.sequenceRuns, SequenceRun{ContactID: id.String(), Automation: a.String(), Sequence: q.String(), At: c.now})
			out[id.String()] = sequenceAdded
		default:
			delete(s.members, id)
			t.leave(id, a, q, c.now)
			out[id.String()] = sequenceAdded
		}
	}
	return out
}

func (t *tenant) leave(contact, automation, sequence ref, now time.Time) {
	for i := range t.sequenceRuns {
		r := &t.sequenceRuns[i]
		if r.RemovedAt == nil && r.ContactID == contact.String() && r.Automation == automation.String() && r.Sequence == sequence.String() {
			r.RemovedAt = &now
		}
	}
}

// sequencing makes a handler that answers the results under a name; "" answers the bare map, as v1 does.
func sequencing(add bool, name string, status int) handler {
	return func(t *tenant, c *call) reply {
		var contacts []ref
		if len(c.args) > 2 {
			contacts = []ref{c.id(2)}
		} else {
			var err error
			if contacts, err = c.column(); err != nil {
				return c.bad(err.Error())
			}
		}
		if _, known := t.sequenceOf(c, c.id(0), c.id(1)); !known && c.flags.knownOnly {
			return c.notFound("Sequence", c.args[1])
		}
		results := t.enrol(c, add, contacts)
		switch {
		case status == http.StatusNoContent:
			return none()
		case name == "":
			return ok(results)
		}
		return ok(map[string]any{name: results})
	}
}
