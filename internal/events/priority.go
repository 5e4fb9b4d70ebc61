package events

import "fmt"

// Priority orders the work of one quota group. The zero value is Urgent, the lowest number goes first.
type Priority uint8

// The three priorities.
const (
	Urgent Priority = iota
	Normal
	Bulk
)

// Priorities lists them, first to last.
var Priorities = [...]Priority{Urgent, Normal, Bulk}

var priorityNames = [...]string{"urgent", "normal", "bulk"}

// String is the name in configuration, subjects, metrics and API.
func (p Priority) String() string {
	if int(p) < len(priorityNames) {
		return priorityNames[p]
	}
	return fmt.Sprintf("priority(%d)", uint8(p))
}

// ParsePriority reads a name; "" is Normal.
func ParsePriority(s string) (Priority, error) {
	if s == "" {
		return Normal, nil
	}
	for i, name := range priorityNames {
		if s == name {
			return Priority(i), nil
		}
	}
	return Normal, fmt.Errorf("priority %q is none of urgent, normal, bulk", s)
}

// MarshalText writes the name.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Priority) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePriority(string(b))
	return err
}
