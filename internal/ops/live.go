package ops

import (
	"time"

	"bridge/internal/events"
)

// Account is one configured account as it runs.
type Account struct {
	Name  string
	App   string // Keap application code
	Group string // quota group: accounts of one group share their quota
	Owner string // process that works it; "" when none does
	Ready bool   // its credential works and somebody works it
	Quota Quota

	// Front counts accepted events that are not in the log yet, by priority as far as it is known.
	Front [len(events.Priorities)]int
	// ETA is when the backlog is through; zero when it cannot be told.
	ETA    time.Time
	Plan   *Plan   // of the day
	Rate   float64 // calls a second over the last minute
	Paused *Pause

	Credentials []Credential
	ActionSets  []ActionSet
}

// Quota is the calls that an account may make, in its windows.
type Quota struct {
	Second Window `json:"second"`
	Minute Window `json:"minute"`
	Day    Window `json:"day"`
}

// Window is one quota window. Used counts the calls of others too where Keap tells of them; Elsewhere is their share.
type Window struct {
	Limit     int        `json:"limit"`
	Used      int        `json:"used"`
	Elsewhere int        `json:"elsewhere"`
	ResetsAt  *time.Time `json:"resets_at,omitempty"`
}

// Pause is why an account does not call Keap, and until when; Until is nil when only a person ends it.
type Pause struct {
	Reason events.Reason `json:"reason"`
	Until  *time.Time    `json:"until"`
}

// Credential is one key of an account. It holds no secret.
type Credential struct {
	Name      string    `json:"name,omitempty"` // where it stands in the configuration: service_account_key, next_key, …
	Kind      string    `json:"kind"`           // service account key, personal access token, OAuth2
	Masked    string    `json:"masked"`
	Created   time.Time `json:"created,omitzero"`
	FirstSeen bool      `json:"first_seen,omitempty"` // Created is when the key was first used here: Keap does not tell when it was made
	LastUsed  time.Time `json:"last_used,omitzero"`
	LastError string    `json:"last_error,omitempty"`
	Active    bool      `json:"active"`
}

// ActionSet is a legacy action set that rules name, and what replaces it.
type ActionSet struct {
	ID       string    `json:"id"`
	Name     string    `json:"name,omitempty"`
	Replaced string    `json:"replaced,omitempty"` // what runs in its place, in words; "" = nothing is configured
	Ends     time.Time `json:"ends,omitzero"`      // when XML-RPC stops
}

// Source is one configured source as it runs.
type Source struct {
	Account  string    `json:"account"`
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`
	Address  string    `json:"address,omitempty"` // URL to paste into the sender; "" for NATS
	Subject  string    `json:"subject,omitempty"` // NATS subject, for sources of kind nats
	Setup    []string  `json:"setup,omitempty"`   // steps to take at the sender, in order
	Testable bool      `json:"testable,omitempty"`
	Silent   bool      `json:"silent,omitempty"` // quiet for longer than its silent_after
	Requests []Request `json:"requests,omitempty"`
	Refused  int       `json:"refused"` // requests with a wrong signature since the start
}

// Request is one of the last requests of a source.
type Request struct {
	At      time.Time `json:"at"`
	Status  int       `json:"status"`
	Outcome string    `json:"outcome"` // accepted, duplicate, ignored, unauthorized, …
	Why     string    `json:"why,omitempty"`
	Events  int       `json:"events"`
}

// Rule is one rule as compiled.
type Rule struct {
	Account  string          `json:"account"`
	Name     string          `json:"name"`
	On       []string        `json:"on"`
	When     string          `json:"when,omitempty"`
	Priority events.Priority `json:"priority"`
	Do       []string        `json:"do"` // its steps in words, branches included
	At       string          `json:"at,omitempty"`
}

// Problem is a mistake in the configuration whose last good version stays in force.
type Problem struct {
	Account string    `json:"account,omitempty"`
	Where   string    `json:"where,omitempty"` // file:line:column
	Message string    `json:"message"`
	Since   time.Time `json:"since,omitzero"`
}
