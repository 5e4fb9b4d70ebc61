package rules

import (
	"fmt"
	"strconv"

	"bridge/internal/events"
)

// Mistake is something wrong in the configuration of rules.
type Mistake struct {
	Path   string // inside the list of rules: [0].do[1].tag[0], [2].do[0].contact.fields["Last order"]
	Offset int    // bytes into the text at Path; 0 where the whole of it is meant
	Text   string // what is wrong, for people
	Hint   string // what to do about it; may be empty
}

func (m Mistake) Error() string {
	text := m.Text
	if m.Path != "" {
		text = m.Path + ": " + text
	}
	if m.Hint != "" {
		text += " (" + m.Hint + ")"
	}
	return text
}

// Error is a failure at run time: an expression that met a missing field or index, an event without what a step needs.
type Error struct {
	Reason events.Reason // RuleError, or NotConfigured for a rule asked for by name that is not there
	Rule   string
	Path   string // inside the rule: "do[1].tag[0]"
	Text   string // for people; may quote the value that did not fit
}

func (e *Error) Error() string {
	switch {
	case e.Path == "":
		return fmt.Sprintf("rule %q: %s", e.Rule, e.Text)
	default:
		return fmt.Sprintf("rule %q, %s: %s", e.Rule, e.Path, e.Text)
	}
}

// step is one step of a path: .name, or ["the name"] for names that are no plain words.
func step(name string) string {
	for _, r := range name {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return "[" + strconv.Quote(name) + "]"
		}
	}
	return "." + name
}
