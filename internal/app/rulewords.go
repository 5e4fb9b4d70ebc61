package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/internal/rules"
)

// Rules implements ops.Live: every account's rules as they are in force, those of rule sets where they are used.
func (l *live) Rules(context.Context) ([]ops.Rule, error) {
	w := l.app.worlds.now.Load()
	var out []ops.Rule
	for _, name := range slices.Sorted(maps.Keys(w.accounts)) {
		for _, r := range w.accounts[name].Rules {
			if r.Use == "" {
				out = append(out, describe(name, &r))
				continue
			}
			for _, shared := range w.cfg.RuleSets[r.Use] {
				out = append(out, describe(name, &shared))
			}
		}
	}
	return out, nil
}

// describe says a rule in words.
func describe(account string, r *rules.Rule) ops.Rule {
	o := ops.Rule{Account: account, Name: r.Name, On: r.On, When: r.When, Priority: events.Normal}
	if p, err := events.ParsePriority(r.Priority); err == nil {
		o.Priority = p
	}
	for _, branch := range []struct {
		prefix string
		steps  []rules.Step
	}{{"", r.Do}, {"if created: ", r.Created}, {"if it existed: ", r.Updated}} {
		for i := range branch.steps {
			o.Do = append(o.Do, branch.prefix+stepWords(&branch.steps[i]))
		}
	}
	return o
}

// stepWords says a step in words.
func stepWords(s *rules.Step) string {
	switch {
	case s.Contact != nil:
		return "write the contact"
	case s.Tag != nil:
		return "tag " + strings.Join(s.Tag, ", ")
	case s.Untag != nil:
		return "untag " + strings.Join(s.Untag, ", ")
	case s.ActionSet != nil:
		return "run action set " + strings.Join(s.ActionSet, ", ")
	case s.Goal != nil:
		return "achieve goal " + s.Goal.Integration + "/" + s.Goal.Call
	case s.Sequence != nil:
		return fmt.Sprintf("sequence %s of automation %s", s.Sequence.Sequence, s.Sequence.Automation)
	case s.Note != nil:
		return "write a note"
	case s.Task != nil:
		return "make a task"
	case s.Order != nil:
		return "record the order"
	case s.Email != nil:
		return "send template e-mail " + s.Email.Template
	}
	return "nothing"
}
