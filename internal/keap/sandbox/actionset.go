package sandbox

import "time"

// ActionSet is an action set, which only XML-RPC can run.
type ActionSet struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Actions []Action `json:"actions,omitempty"`
}

// Action is one of its actions; tags are given by id or name.
type Action struct {
	Name      string `json:"name"`
	ApplyTag  string `json:"apply_tag,omitempty"`
	RemoveTag string `json:"remove_tag,omitempty"`
}

// ActionSetRun is one run of an action set for one contact.
type ActionSetRun struct {
	ContactID string    `json:"contact_id"`
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Trigger   string    `json:"trigger,omitempty"` // contact_added or contact_updated, where no call asked for it
}

// Triggers are Keap's two settings that run an action set when a contact is added or updated through the API.
type Triggers struct {
	ContactAdded   string `json:"contact_added,omitempty"` // id of an action set
	ContactUpdated string `json:"contact_updated,omitempty"`
}

// actionResult is what runActionSequence answers for each action.
type actionResult struct {
	action, message string
	failed          bool
}

// runSet runs an action set. An unknown one is taken as a set without known actions, unless only known ones are
// to count.
func (t *tenant) runSet(c *call, x *contact, set ref, trigger string) ([]actionResult, bool) {
	s, known := t.sets.get(set)
	if !known {
		if c.flags.knownOnly || set == 0 {
			return nil, false
		}
		s = &ActionSet{Name: "Action set " + set.String()}
	}
	t.setRuns = append(t.setRuns, ActionSetRun{x.id.String(), set.String(), c.now, trigger})
	var out []actionResult
	for _, a := range s.Actions {
		out = append(out, t.act(c, x, a))
	}
	if out == nil {
		out = []actionResult{{action: s.Name, message: "Ran for contact " + x.id.String()}}
	}
	return out, true
}

func (t *tenant) act(c *call, x *contact, a Action) actionResult {
	r := actionResult{action: a.Name, message: "Done"}
	if a.ApplyTag != "" {
		id := t.tagRef(a.ApplyTag)
		if result := t.apply(c, id, x.id); result != tagSuccess && result != tagDuplicate {
			r.message, r.failed = result, true
		}
	}
	if a.RemoveTag != "" {
		t.unapply(c, t.tagRef(a.RemoveTag), x.id)
	}
	return r
}

// tagRef finds a tag by id or name.
func (t *tenant) tagRef(s string) ref {
	if id := parseRef(s); id != 0 {
		return id
	}
	id, _ := t.tagNamed(s)
	return id
}

func (t *tenant) trigger(c *call, set, name string, x *contact) {
	if set != "" {
		t.runSet(c, x, parseRef(set), name)
	}
}
