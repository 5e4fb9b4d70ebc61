package events

import "time"

// Exchange is what was sent to Keap in one call and what came back, for people who look into an event. It may hold personal
// data, so it is stored apart from the log of outcomes, for a short time, and is erased with the events that it served.
// Credentials are never part of it.
type Exchange struct {
	ID       string    `json:"id"` // CallReport.ID
	At       time.Time `json:"at"`
	Account  string    `json:"account"`
	Keys     []string  `json:"keys,omitempty"` // Event.Key of the events that it served
	Method   string    `json:"method"`
	Target   string    `json:"target"` // path and query below Keap's base URL
	Status   int       `json:"status"` // HTTP status; 0 when there was no answer
	Sent     Excerpt   `json:"sent"`
	Answered Excerpt   `json:"answered"`
}

// Excerpt is the beginning of a body.
type Excerpt struct {
	Text string `json:"text,omitempty"`
	Size int    `json:"size"` // bytes of the whole body
}
