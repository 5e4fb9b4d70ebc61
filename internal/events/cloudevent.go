package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// cloudEvent is the wire form of an Event; AppendJSON writes it. Attribute names follow CloudEvents 1.0: lower-case letters and digits.
type cloudEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`

	Account     string     `json:"account"`
	Via         string     `json:"via"`
	Kind        string     `json:"kind,omitempty"`
	Received    time.Time  `json:"received"`
	Updated     *time.Time `json:"updated,omitempty"`
	TraceParent string     `json:"traceparent,omitempty"`
	Rule        string     `json:"rule,omitempty"`
	Priority    string     `json:"priority,omitempty"`
	Enrich      string     `json:"enrich,omitempty"`

	Data Data `json:"data"`
}

// MarshalJSON writes a CloudEvent in structured mode.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil) }

// UnmarshalJSON reads what MarshalJSON wrote. It is not for input from outside: sources parses that.
func (e *Event) UnmarshalJSON(b []byte) error {
	var ce cloudEvent
	if err := json.Unmarshal(b, &ce); err != nil {
		return err
	}
	if ce.SpecVersion != "1.0" {
		return fmt.Errorf("CloudEvents specversion %q is not 1.0", ce.SpecVersion)
	}
	if ce.ID == "" || ce.Type == "" {
		return errors.New("a CloudEvent needs id and type")
	}
	*e = Event{
		ID: ce.ID, Account: ce.Account, Source: ce.Via, Kind: ce.Kind, Type: ce.Type, Subject: ce.Subject,
		Time: ce.Time, Received: ce.Received, TraceParent: ce.TraceParent, Rule: ce.Rule, Priority: ce.Priority,
		Enrich: ce.Enrich, Data: ce.Data,
	}
	if ce.Updated != nil {
		e.Updated = *ce.Updated
	}
	return nil
}
