package events

import (
	"slices"
	"time"
)

// StepKind is what a step does, by its name in the configuration.
type StepKind string

// The kinds of steps. DoOwner is not written in rules: it follows a contact step with owners.
const (
	DoContact   StepKind = "contact"
	DoOwner     StepKind = "owner"
	DoTag       StepKind = "tag"
	DoUntag     StepKind = "untag"
	DoActionSet StepKind = "action_set"
	DoGoal      StepKind = "goal"
	DoSequence  StepKind = "sequence"
	DoNote      StepKind = "note"
	DoTask      StepKind = "task"
	DoOrder     StepKind = "order"
	DoPayment   StepKind = "payment" // follows an order step whose order is paid
	DoEmail     StepKind = "email"
)

// StepState is what the memory of steps knows of one step.
type StepState string

// The states of a step.
const (
	StepWaiting  StepState = "waiting"
	StepIntended StepState = "intended" // about to be sent; it may have happened
	StepDone     StepState = "done"
	StepSkipped  StepState = "skipped" // its branch (created, updated) did not apply, or nothing was to change
	StepFailed   StepState = "failed"
	StepDoubt    StepState = "in_doubt"
)

// Branch limits a step to contacts that the plan's contact step created or found.
type Branch string

// The branches.
const (
	Always    Branch = ""
	IfCreated Branch = "created"
	IfUpdated Branch = "updated"
)

// Plan is everything that one event means in Keap. It is made once, stored, and resumed as stored.
type Plan struct {
	Rules    []string  `json:"rules"` // that matched, as written; empty: nothing to do
	Priority Priority  `json:"priority"`
	Made     time.Time `json:"made"`
	Who      Person    `json:"who"`
	Steps    []Step    `json:"steps,omitempty"`
}

// Person is what a contact is found by.
type Person struct {
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	ExternalID string `json:"external_id,omitempty"`
}

// Step is one thing to do in Keap. Do says which of the pointers is set; tag, untag and action_set need only Target.
type Step struct {
	ID      string   `json:"id"` // rule + kind + resolved target + n-th occurrence: "purchase/tag:Customer#1"
	Rule    string   `json:"rule"`
	Do      StepKind `json:"do"`
	Only    Branch   `json:"only,omitempty"`
	Target  string   `json:"target,omitempty"`  // tag name or id, action set id, "integration/call", "automation/sequence", template id
	Literal bool     `json:"literal,omitempty"` // the target stands in the rule as it is, without {{ }}
	Repeat  bool     `json:"repeat,omitempty"`  // on_doubt: repeat

	Contact  *ContactStep  `json:"contact,omitempty"`
	Owner    *OwnerStep    `json:"owner,omitempty"`
	Goal     *GoalStep     `json:"goal,omitempty"`
	Sequence *SequenceStep `json:"sequence,omitempty"`
	Note     *NoteStep     `json:"note,omitempty"`
	Task     *TaskStep     `json:"task,omitempty"`
	Order    *OrderStep    `json:"order,omitempty"`
	Email    *EmailStep    `json:"email,omitempty"`
}

// ContactStep writes the event's contact. Only what is set is sent.
type ContactStep struct {
	Contact Contact           `json:"contact"`           // canonical fields of the event's contact
	OptIn   string            `json:"opt_in,omitempty"`  // opt_in_reason
	Fields  map[string]string `json:"fields,omitempty"`  // custom fields by label or field name → text
	Company string            `json:"company,omitempty"` // company record to link, by name
	Owner   string            `json:"owner,omitempty"`   // Keap user id, for new contacts (see OwnerStep)
	UTM     map[string]string `json:"utm,omitempty"`
	Find    bool              `json:"find,omitempty"` // only look the contact up; do not create or change it
}

// OwnerStep gives a new contact one of the owners in turn.
type OwnerStep struct {
	Users []string `json:"users"` // Keap user ids; the n-th new contact of the rule gets the n-th, round and round
}

// GoalStep achieves an API goal.
type GoalStep struct {
	Integration string `json:"integration"`
	Call        string `json:"call"`
}

// SequenceStep puts the contact into a sequence of an automation, or takes it out.
type SequenceStep struct {
	Automation string `json:"automation"`
	Sequence   string `json:"sequence"`
	Remove     bool   `json:"remove,omitempty"`
}

// NoteStep writes a note on the contact.
type NoteStep struct {
	Title string `json:"title,omitempty"`
	Body  string `json:"body,omitempty"`
	Type  string `json:"type,omitempty"`
	User  string `json:"user,omitempty"` // Keap user id; "" = the account's user_id
}

// TaskStep makes a task for somebody.
type TaskStep struct {
	Title string    `json:"title"`
	Body  string    `json:"body,omitempty"`
	Due   time.Time `json:"due"`
	User  string    `json:"user,omitempty"`
}

// OrderStep records the event's order; as a payment step, its payment; with Refund, what was given back.
type OrderStep struct {
	Title  string  `json:"title,omitempty"`
	Order  Order   `json:"order"`
	Refund *Refund `json:"refund,omitempty"`
	Paid   bool    `json:"paid,omitempty"`
	Keap   string  `json:"keap,omitempty"` // Keap id of the recorded order; the worker sets it before a payment step is asked for
}

// EmailStep sends a template e-mail; Target is the template's id.
type EmailStep struct {
	User string `json:"user,omitempty"` // Keap user id that it is sent as; "" = the account's user_id
}

// Call is one Keap call as shown before it is made: in bridge try, in the tests of rules, in a replay's preview.
type Call struct {
	Do        StepKind `json:"do"`
	Operation string   `json:"operation"`
	Subjects  []string `json:"subjects"`
}

// operations names the Keap operation of each kind of step, as the log of calls and the sandbox name it.
var operations = map[StepKind]string{
	DoContact: "contacts.upsert", DoOwner: "contacts.patch", DoTag: "tags.apply", DoUntag: "tags.remove",
	DoActionSet: "action_sets.run", DoGoal: "goals.achieve", DoSequence: "sequences.add", DoNote: "notes.create",
	DoTask: "tasks.create", DoOrder: "orders.create", DoPayment: "payments.create", DoEmail: "emails.send_template",
}

// Operation names the Keap operation that the step comes to.
func (s *Step) Operation() string {
	switch {
	case s.Do == DoContact && s.Contact != nil && s.Contact.Find:
		return "contacts.list"
	case s.Do == DoSequence && s.Sequence != nil && s.Sequence.Remove:
		return "sequences.remove"
	}
	return operations[s.Do]
}

// Groups splits steps into runs that may be asked for together: neighbouring tag and untag steps share calls,
// everything else goes alone. Branches are decided before: steps that do not apply are not passed in. A tag that is both applied and removed starts a new run, so that both happen in order.
func Groups(steps []Step) [][]Step {
	var groups [][]Step
	start := 0
	for i := 1; i <= len(steps); i++ {
		if i < len(steps) && joins(steps[start:i], &steps[i]) {
			continue
		}
		groups = append(groups, steps[start:i])
		start = i
	}
	return groups
}

func joins(run []Step, next *Step) bool {
	isTag := func(k StepKind) bool { return k == DoTag || k == DoUntag }
	if !isTag(next.Do) || !isTag(run[0].Do) {
		return false
	}
	for i := range run {
		if run[i].Target == next.Target && run[i].Do != next.Do {
			return false
		}
	}
	return true
}

// Calls lists the Keap calls of the plan if it ran alone, now, and nothing were known of its contact: an upper
// bound, because waiting steps of other events share calls. Of the two branches the dearer one is shown. A plan
// that names nobody comes to nothing: its event fails before anything is called.
func (p *Plan) Calls() []Call {
	if p.Nobody() {
		return []Call{}
	}
	created, updated := p.calls(IfCreated), p.calls(IfUpdated)
	if len(updated) > len(created) {
		return updated
	}
	return created
}

// Nobody tells whether the plan has neither an e-mail address nor a phone number to find its contact by.
func (p *Plan) Nobody() bool { return p.Who.Email == "" && p.Who.Phone == "" }

func (p *Plan) calls(branch Branch) []Call {
	var steps []Step
	for _, s := range p.Steps {
		if s.Only == Always || s.Only == branch {
			steps = append(steps, s)
		}
	}
	calls := []Call{}
	for _, group := range Groups(steps) {
		byOperation := map[string]int{}
		for i := range group {
			s := &group[i]
			op := s.Operation()
			subject := s.Target
			if subject == "" {
				subject = p.Who.Email
			}
			if at, ok := byOperation[op]; ok {
				if !slices.Contains(calls[at].Subjects, subject) {
					calls[at].Subjects = append(calls[at].Subjects, subject)
				}
				continue
			}
			byOperation[op] = len(calls)
			calls = append(calls, Call{Do: s.Do, Operation: op, Subjects: []string{subject}})
		}
	}
	return calls
}
