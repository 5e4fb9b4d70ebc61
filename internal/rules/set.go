package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"

	"bridge/internal/events"
)

// Set is the compiled rules of one account. It is never changed and safe for concurrent use.
type Set struct {
	rules []bound
}

// bound is a rule with the parameters that its account gave.
type bound struct {
	*rule
	with map[string]any
}

// Names lists the rules in the order written, those of rule sets where they are used.
func (s *Set) Names() []string {
	names := make([]string, len(s.rules))
	for i, r := range s.rules {
		names[i] = r.name
	}
	return names
}

// Match tells which rules apply to e, in the order written, and the highest priority among them. A rule whose
// condition fails does not match and its *Error is returned beside those that do; several are joined.
func (s *Set) Match(e *events.Event, now time.Time) ([]string, events.Priority, error) {
	matched, err := s.match(e, s.scope(e, now))
	names := make([]string, len(matched))
	for i, r := range matched {
		names[i] = r.name
	}
	return names, priority(e, matched), err
}

func (s *Set) scope(e *events.Event, now time.Time) *scope {
	return &scope{event: newView(e), source: &origin{Name: e.Source, Kind: e.Kind}, now: now}
}

func (s *Set) match(e *events.Event, vars *scope) ([]bound, error) {
	if e.Rule != "" {
		i := s.find(e.Rule)
		if i < 0 {
			return nil, &Error{Reason: events.NotConfigured, Rule: e.Rule, Text: "there is no such rule in this account"}
		}
		return s.rules[i : i+1], nil
	}
	var matched []bound
	var failed []error
	for _, r := range s.rules {
		if !slices.ContainsFunc(r.on, func(pattern string) bool { return covers(pattern, e.Type) }) {
			continue
		}
		ok, err := r.holds(vars)
		if err != nil {
			failed = append(failed, err)
		}
		if ok {
			matched = append(matched, r)
		}
	}
	return matched, errors.Join(failed...)
}

func covers(pattern, eventType string) bool {
	prefix, wild := strings.CutSuffix(pattern, "*")
	return pattern == eventType || wild && strings.HasPrefix(eventType, prefix)
}

func (r bound) holds(vars *scope) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	vars.with = r.with
	value, err := r.when.eval(vars)
	if err != nil {
		return false, &Error{Reason: events.RuleError, Rule: r.name, Path: "when", Text: err.Error()}
	}
	yes, ok := value.(types.Bool)
	if !ok {
		return false, &Error{Reason: events.RuleError, Rule: r.name, Path: "when",
			Text: fmt.Sprintf("the condition gives a %s, not true or false", value.Type().TypeName())}
	}
	return bool(yes), nil
}

// priority is what the event asks for, else the highest among the rules; Normal without rules.
func priority(e *events.Event, matched []bound) events.Priority {
	if p, err := events.ParsePriority(e.Priority); err == nil && e.Priority != "" {
		return p
	}
	if len(matched) == 0 {
		return events.Normal
	}
	highest := matched[0].priority
	for _, r := range matched[1:] {
		highest = min(highest, r.priority)
	}
	return highest
}

// Only is the set with nothing but the named rule, nil when there is none: to look at one rule alone.
func (s *Set) Only(name string) *Set {
	i := s.find(name)
	if i < 0 {
		return nil
	}
	return &Set{rules: s.rules[i : i+1]}
}

func (s *Set) find(name string) int {
	return slices.IndexFunc(s.rules, func(r bound) bool { return r.name == name })
}
