package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bridge/internal/events"
)

// compare holds what the payload came to against what the test expects.
func (t *ruleTest) compare() {
	want := &t.test.Expect
	if want.Reason != "" && (len(t.events) > 0 || want.Reason != string(t.reason)) {
		t.fail("expected no events and reason %s, got %s and reason %q", want.Reason, count(len(t.events), "event"), t.reason)
	}
	if want.Events != nil {
		var types []string
		for i := range t.events {
			types = append(types, t.events[i].Type)
		}
		if !slices.Equal(types, want.Events) {
			t.fail("events: expected %s, got %s", words(want.Events), words(types))
		}
	}
	if want.Rules != nil && !slices.Equal(t.rules, want.Rules) {
		t.fail("rules: expected %s, got %s", words(want.Rules), words(t.rules))
	}
	if t.matches() {
		t.steps()
	}
}

// matches checks whether the rule applies; a test that expects steps, or nothing in particular, expects it to.
func (t *ruleTest) matches() bool {
	want, got := &t.test.Expect, len(t.plans) > 0
	expected := want.Reason == ""
	if want.Matches != nil {
		expected = *want.Matches
	}
	switch {
	case expected && !got:
		t.fail("the rule does not match; the payload means %s", t.meaning())
	case !expected && got:
		t.fail("the rule matches")
	}
	return got
}

func (t *ruleTest) meaning() string {
	if len(t.events) == 0 {
		return fmt.Sprintf("nothing (%s)", t.reason)
	}
	var types []string
	for i := range t.events {
		types = append(types, t.events[i].Type)
	}
	return words(types)
}

func (t *ruleTest) steps() {
	want := &t.test.Expect
	if want.Calls != nil {
		calls := 0
		for i := range t.plans {
			calls += len(t.plans[i].Calls())
		}
		if calls != *want.Calls {
			t.fail("calls: expected %d, got %d", *want.Calls, calls)
		}
	}
	target := func(s *events.Step) string { return s.Target }
	t.set("tags", want.Tags, events.DoTag, target)
	t.set("untags", want.Untags, events.DoUntag, target)
	t.set("goals", want.Goals, events.DoGoal, target)
	t.set("sequences", want.Sequences, events.DoSequence, target)
	t.set("action_sets", want.ActionSets, events.DoActionSet, target)
	t.set("emails", want.Emails, events.DoEmail, target)
	t.set("notes", want.Notes, events.DoNote, func(s *events.Step) string { return s.Note.Title })
	t.set("tasks", want.Tasks, events.DoTask, func(s *events.Step) string { return s.Task.Title })
	t.fields(want.Fields)
}

// set compares steps of one kind, in any order. Those of the branches (created, updated) may be named or left out,
// because either may happen.
func (t *ruleTest) set(what string, want []string, kind events.StepKind, name func(*events.Step) string) {
	if want == nil {
		return
	}
	var always, maybe []string
	for _, p := range t.plans {
		for i := range p.Steps {
			s := &p.Steps[i]
			switch {
			case s.Do != kind:
			case s.Only == events.Always:
				always = append(always, name(s))
			default:
				maybe = append(maybe, name(s))
			}
		}
	}
	for _, n := range want {
		if !slices.Contains(always, n) && !slices.Contains(maybe, n) {
			t.fail("%s: expected %q, got %s", what, n, words(append(always, maybe...)))
		}
	}
	for _, n := range always {
		if !slices.Contains(want, n) {
			t.fail("%s: %q was not expected", what, n)
		}
	}
}

func (t *ruleTest) fields(want map[string]string) {
	got := map[string]string{}
	for _, p := range t.plans {
		for i := range p.Steps {
			if c := p.Steps[i].Contact; c != nil {
				maps.Copy(got, c.Fields)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[name]; value != want[name] {
			if !ok {
				t.fail("fields: %s is not written", name)
				continue
			}
			t.fail("fields: expected %s to be %q, got %q", name, want[name], value)
		}
	}
}

func words(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
