package rules

import (
	"strings"

	"bridge/internal/events"
)

// What of Keap a rule names. A goal is named integration/call, a sequence automation/sequence.
const (
	NamedTag       = "tag"
	NamedActionSet = "action set"
	NamedGoal      = "goal"
	NamedSequence  = "sequence"
	NamedTemplate  = "template"
	NamedUser      = "user"
	NamedField     = "custom field"
)

var nameOf = map[events.StepKind]string{events.DoTag: NamedTag, events.DoUntag: NamedTag, events.DoActionSet: NamedActionSet}

// Named is something in Keap that a rule refers to and that has to be there before an event asks for it.
type Named struct {
	Kind string // NamedTag, …
	Name string
	Rule string
	Path string // inside the rule: do[1].tag[0]
}

// named is the same before the parameters of an account are known.
type named struct {
	kind, path string
	texts      []*text
}

func (c *compiler) names(kind, path string, texts ...*text) {
	for _, t := range texts {
		if !t.fixed() {
			return
		}
	}
	c.rule.named = append(c.rule.named, named{kind, strings.TrimPrefix(path, "."), texts})
}

// Named lists what the rules refer to in Keap, as far as it is known before any event: names with {{ }} of the event's
// own content are not. It is in the order of the rules and may name a thing more than once.
func (s *Set) Named() []Named {
	var all []Named
	for _, r := range s.rules {
		vars := &scope{with: r.with}
		for _, n := range r.named {
			parts := make([]string, len(n.texts))
			complete := true
			for i, t := range n.texts {
				name, err := t.render(vars)
				parts[i] = strings.TrimSpace(name)
				complete = complete && err == nil && parts[i] != ""
			}
			if complete {
				all = append(all, Named{Kind: n.kind, Name: strings.Join(parts, "/"), Rule: r.name, Path: n.path})
			}
		}
	}
	return all
}
