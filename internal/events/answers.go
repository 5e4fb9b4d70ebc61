package events

import (
	"errors"
	"time"
)

// Filter chooses events. Empty fields choose all; what is given must all hold.
type Filter struct {
	Account string    `json:"account,omitempty"`
	Source  string    `json:"source,omitempty"`
	Type    string    `json:"type,omitempty"`
	State   State     `json:"state,omitempty"`
	Reason  Reason    `json:"reason,omitempty"`
	Message string    `json:"message,omitempty"` // FailureGroup.Message
	Contact string    `json:"contact,omitempty"` // an e-mail address or phone number, compared as a hash
	Since   time.Time `json:"since,omitzero"`    // received then or later
	Until   time.Time `json:"until,omitzero"`    // received before
	Q       string    `json:"q,omitempty"`       // an id, a key, an order number or an e-mail address, exactly
	Job     string    `json:"job,omitempty"`     // touched by that replay or discard
}

// Row is an event in a list. It holds no personal data besides what Detail needs to say.
type Row struct {
	Key      string     `json:"key"`
	ID       string     `json:"id"`
	Seq      uint64     `json:"seq,omitempty"` // position in EVENTS; 0 where the event never got there
	Account  string     `json:"account"`
	Source   string     `json:"source"`
	Type     string     `json:"type"`
	Priority Priority   `json:"priority"`
	State    State      `json:"state"`
	Reason   Reason     `json:"reason"`
	Detail   string     `json:"detail,omitempty"`
	Step     string     `json:"step,omitempty"` // the step that decided
	Received time.Time  `json:"received"`
	Changed  time.Time  `json:"changed"`
	Until    *time.Time `json:"until,omitempty"` // parked until
	Attempts int        `json:"attempts"`
	Calls    int        `json:"calls"` // Keap calls that served it, shared ones counted whole
	Rules    []string   `json:"rules,omitempty"`
}

// Page is a part of a list, newest first. Next is "" on the last one.
type Page struct {
	Rows []Row
	Next string
}

// Story is what happened to one event.
type Story struct {
	Row
	Steps   []StepReport // as last reported
	Changes []Change     // oldest first
	Served  []ServedCall // oldest first
	Behind  int          // later events of the same contact and priority that are not settled yet: they wait for this one
	Ahead   int          // earlier ones that are not settled yet: this one waits for them
	First   string       // key of the oldest of those ahead; "" without any
}

// Change is one change of an event's state.
type Change struct {
	At      time.Time  `json:"at"`
	State   State      `json:"state"`
	Reason  Reason     `json:"reason,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Attempt int        `json:"attempt,omitempty"`
	Detail  string     `json:"detail,omitempty"`
	Step    string     `json:"step,omitempty"`
	Job     string     `json:"job,omitempty"`
	Who     string     `json:"who,omitempty"`
}

// ServedCall is a Keap call with the steps of one event that it worked for.
type ServedCall struct {
	At        time.Time     `json:"at"`
	Operation string        `json:"operation"`
	Status    int           `json:"status"` // HTTP status; 0 when there was no answer
	Error     string        `json:"error,omitempty"`
	Took      time.Duration `json:"took_ns"`
	Waited    time.Duration `json:"waited_ns"` // for its permit
	Subjects  int           `json:"subjects"`
	Steps     []string      `json:"steps"`
	ID        string        `json:"-"` // of its Exchange; "" where none was kept
}

// Tally counts the events that have all of this in common.
type Tally struct {
	Account  string
	Source   string
	Type     string
	Priority Priority
	State    State
	Reason   Reason
	Events   int
}

// FailureGroup is failed or in-doubt events that have their reason and the shape of their message in common.
type FailureGroup struct {
	Account string `json:"account"`
	State   State  `json:"state"`
	Reason  Reason `json:"reason"`
	Message string `json:"message"` // with … for what differs between them
	Events  int    `json:"events"`
	Sample  Row    `json:"sample"` // the newest
}

// Series asks for numbers over time. Step is a minute, an hour or a day.
type Series struct {
	Account string // "" = all
	Since   time.Time
	Until   time.Time
	Step    time.Duration
}

// Rate is how often something happened from At on, for one Step. What is an operation of Keap, or "accepted" or
// "settled" for events; Status is the HTTP status of calls and the state of settled events.
type Rate struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"`
	What    string    `json:"what"`
	Status  string    `json:"status,omitempty"`
	Count   int       `json:"count"`
}

// Rate.What for events.
const (
	RateAccepted = "accepted"
	RateSettled  = "settled"
)

// RuleCost is what one rule cost for the events of one source from At on, for one Step. A call that served several steps is shared out among them.
type RuleCost struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"`
	Rule    string    `json:"rule"`
	Source  string    `json:"source"`
	Events  int       `json:"events"` // that it matched
	Steps   int       `json:"steps"`  // served by calls
	Calls   float64   `json:"calls"`
	Goals   int       `json:"goals"` // of the calls, those for API goals: a tag that is a goal in Keap shares the call of the event's other tags
}

// DayQuota is one UTC day of an account's quota.
type DayQuota struct {
	Day       time.Time `json:"day"`
	Account   string    `json:"account"`
	Limit     int       `json:"limit"`     // 0 when nothing was sampled that day
	Used      int       `json:"used"`      // as Keap counts, the calls of others included
	Elsewhere int       `json:"elsewhere"` // the calls of others
	Calls     int       `json:"calls"`     // ours, as logged
}

// Seen is when a source was last heard of.
type Seen struct {
	Account string    `json:"account"`
	Source  string    `json:"source"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Events  int       `json:"events"`
}

// AuditLine is one change that somebody made.
type AuditLine struct {
	At      time.Time `json:"at"`
	Who     string    `json:"who"`
	Action  string    `json:"action"`
	Account string    `json:"account,omitempty"`
	Target  string    `json:"target,omitempty"`
	Job     string    `json:"job,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// ErrCursor says that a cursor is none that a Page gave.
var ErrCursor = errors.New("the cursor is not valid")
