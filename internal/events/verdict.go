package events

import "time"

// Delivery is one event in the hands of a worker.
type Delivery struct {
	Event     Event
	Seq       uint64    // position in the log of events; order within a contact is by it
	Group     string    // quota group
	Priority  Priority  // the highest among the rules that matched when it was routed
	Contact   string    // hashed order key; "" when it waits for nobody
	Attempt   int       // real attempts so far (waiting for quota is none)
	First     bool      // false when an earlier owner may have begun it
	NotBefore time.Time // parked until; zero when it may run now
	Replay    string    // job that replays it: it does not wait for its contact's earlier events; "" for a first run
	Received  time.Time // when the event was accepted
	Size      int       // bytes held in memory
}

// VerdictKind is what a worker decided.
type VerdictKind uint8

// The verdicts; only the queue acts on them.
const (
	VerdictDone   VerdictKind = iota // every step is marked: ack
	VerdictSnooze                    // not now, no attempt burnt: parked
	VerdictRetry                     // failed in a way that may heal: parked
	VerdictBury                      // will not heal: failed
	VerdictDoubt                     // a step may have happened: in_doubt
	VerdictMove                      // its account is in another quota group by now: lined up there
)

// Verdict is the outcome of handling a Delivery once. Outcomes are values: workers return one and never ack.
type Verdict struct {
	Kind    VerdictKind
	Reason  Reason
	Until   time.Time // Snooze, Retry: not before
	Attempt int       // attempts counted so far, this one included where it counts
	Step    string    // the step that decided, "" where none did
	Err     error     // cause, for the log
	Detail  string    // public text for people on duty, with a hint where there is one
	Steps   []StepReport
	Rules   []string // rules that matched
	Calls   int      // Keap calls attributed to this handling
}

// State is the state that the verdict puts the event in.
func (v Verdict) State() State {
	switch v.Kind {
	case VerdictDone:
		return Done
	case VerdictBury:
		return Failed
	case VerdictDoubt:
		return InDoubt
	case VerdictMove:
		return Waiting
	default:
		return Parked
	}
}

// Outcome is one record in the log of outcomes; it holds no personal data besides what Detail needs to say.
// Kind tells which fields are set.
type Outcome struct {
	Kind    OutcomeKind `json:"kind"`
	At      time.Time   `json:"at"`
	Account string      `json:"account,omitempty"`

	// state: an event changed its state.
	Key     string       `json:"key,omitempty"` // Event.Key
	Seq     uint64       `json:"seq,omitempty"` // position in EVENTS; 0 where the event never got there
	State   State        `json:"state,omitempty"`
	Reason  Reason       `json:"reason,omitempty"`
	Until   *time.Time   `json:"until,omitempty"`
	Attempt int          `json:"attempt,omitempty"`
	Detail  string       `json:"detail,omitempty"`
	Step    string       `json:"step,omitempty"`
	Steps   []StepReport `json:"steps,omitempty"`
	Rules   []string     `json:"rules,omitempty"`
	Job     string       `json:"job,omitempty"` // replay or discard job that caused it
	About   *About       `json:"about,omitempty"`

	// call: one Keap call, with every step that it served.
	Call *CallReport `json:"call,omitempty"`

	// audit: who changed what.
	Who    string `json:"who,omitempty"`
	Action string `json:"action,omitempty"`
	Target string `json:"target,omitempty"`

	// quota: the day's quota of an account, sampled now and then.
	Quota *QuotaReport `json:"quota,omitempty"`
}

// About says what an event is that is not in EVENTS: one that cannot be read, or not be routed (yet).
type About struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Type   string `json:"type"`
}

// Unreadable is the type of what came over NATS and is no event of ours.
const Unreadable = "unreadable"

// Message is what came over NATS, as it came.
type Message struct {
	Subject string              `json:"subject"`
	Header  map[string][]string `json:"header,omitempty"`
	Body    []byte              `json:"body"`
}

// QuotaReport is the day's quota of Outcome.Account at Outcome.At.
type QuotaReport struct {
	Limit     int `json:"limit"`
	Used      int `json:"used"` // as Keap counts, the calls of others included
	Elsewhere int `json:"elsewhere,omitempty"`
}

// OutcomeKind tells records of the log of outcomes apart.
type OutcomeKind string

// The kinds of outcomes.
const (
	OutcomeState OutcomeKind = "state"
	OutcomeCall  OutcomeKind = "call"
	OutcomeAudit OutcomeKind = "audit"
	OutcomeQuota OutcomeKind = "quota"
)

// CallReport is one call to Keap as people see it.
type CallReport struct {
	Group     string        `json:"group"`
	Operation string        `json:"operation"` // contacts.upsert, tags.apply, …
	Priority  Priority      `json:"priority"`
	Status    int           `json:"status"` // HTTP status; 0 when there was no answer
	Error     string        `json:"error,omitempty"`
	Took      time.Duration `json:"took"`
	Waited    time.Duration `json:"waited,omitempty"` // for its permit, alone or with the oldest of those that it was merged of
	Subjects  int           `json:"subjects"`         // contacts or tags that it carried
	Served    []Served      `json:"served,omitempty"`

	// ID finds the Exchange; "" where none is kept. Exchange takes it there and is no part of the log.
	ID       string    `json:"id,omitempty"`
	Exchange *Exchange `json:"-"`
}

// Served names a step that a call worked for.
type Served struct {
	Key  string `json:"key"` // Event.Key
	Step string `json:"step"`
	Rule string `json:"rule,omitempty"`
}

// StepReport is the story of one step so far.
type StepReport struct {
	ID       string        `json:"id"`
	Rule     string        `json:"rule,omitempty"`
	Do       StepKind      `json:"do"`
	Target   string        `json:"target,omitempty"`
	State    StepState     `json:"state"`
	Calls    int           `json:"calls"` // calls that served it, shared ones counted whole
	Attempts []StepAttempt `json:"attempts,omitempty"`
}

// StepAttempt is one try of a step.
type StepAttempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status,omitempty"` // HTTP status
	Reason Reason    `json:"reason,omitempty"`
	Detail string    `json:"detail,omitempty"`
}
