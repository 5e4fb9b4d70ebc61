package events

import (
	"errors"
	"time"
)

// Journal is the memory of one event's steps: its plan as first made, and what became of each step.
type Journal struct {
	Plan  *Plan // nil before the first planning
	Marks Marks
}

// Marks is what became of the steps so far. It is small and rewritten as a whole.
type Marks struct {
	Attempts  int             `json:"attempts,omitempty"` // real attempts; waiting for quota is none
	NotBefore time.Time       `json:"not_before,omitzero"`
	Contact   string          `json:"contact,omitempty"` // Keap contact id
	Created   bool            `json:"created,omitempty"` // the contact step created it
	Discarded bool            `json:"discarded,omitempty"`
	Job       string          `json:"job,omitempty"`   // replay job that the stored plan was made for
	Steps     map[string]Mark `json:"steps,omitempty"` // by Step.ID
}

// Mark is the memory of one step.
type Mark struct {
	State    StepState     `json:"state"`
	At       time.Time     `json:"at"`
	Calls    int           `json:"calls,omitempty"`
	Attempts []StepAttempt `json:"attempts,omitempty"` // the last few
	Note     string        `json:"note,omitempty"`     // what has to be remembered of its result: an order id, an owner
}

// LogRecord is one entry of the two logs, as whoever follows them gets it.
type LogRecord struct {
	Position Position
	Event    *Event   // an entry of EVENTS …
	Contact  string   // … with its hashed order key
	Group    string   // … its quota group
	Lane     Priority // … and its priority
	Outcomes []Outcome
}

// Position says how far a follower has read both logs.
type Position struct {
	Events   uint64 `json:"events"`
	Outcomes uint64 `json:"outcomes"`
}

// ErrAhead is what following a log gives when the follower's position is beyond its end: the log was restored
// from an older copy or begun anew, and whoever follows it has to start again.
var ErrAhead = errors.New("the position is ahead of the log")
