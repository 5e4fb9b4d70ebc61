package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bridge/internal/events"
)

// steps compiles one list of steps.
func (c *compiler) steps(path string, list []Step, only events.Branch) {
	c.only = only
	for i := range list {
		c.step(fmt.Sprintf("%s[%d]", path, i), &list[i])
	}
}

func (c *compiler) step(path string, s *Step) {
	switch kinds := s.kinds(); len(kinds) {
	case 0:
		c.wrong(path, 0, "the step does nothing", "- tag: Customer")
		return
	case 1:
	default:
		c.wrong(path, 0, "one step does one thing; here are "+strings.Join(kinds, " and "), "begin each with - of its own")
		return
	}
	switch {
	case s.Contact != nil:
		c.contact(path+".contact", s.Contact)
	case s.Tag != nil:
		c.targets(path+".tag", s.Tag, events.DoTag)
	case s.Untag != nil:
		c.targets(path+".untag", s.Untag, events.DoUntag)
	case s.ActionSet != nil:
		c.targets(path+".action_set", s.ActionSet, events.DoActionSet)
	case s.Goal != nil:
		c.goal(path+".goal", s.Goal)
	case s.Sequence != nil:
		c.sequence(path+".sequence", s.Sequence)
	case s.Note != nil:
		c.note(path+".note", s.Note)
	case s.Task != nil:
		c.task(path+".task", s.Task)
	case s.Order != nil:
		c.order(path+".order", s.Order)
	case s.Email != nil:
		c.email(path+".email", s.Email)
	}
}

// kinds names what is set.
func (s *Step) kinds() []string {
	var kinds []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"contact", s.Contact != nil}, {"tag", s.Tag != nil}, {"untag", s.Untag != nil}, {"action_set", s.ActionSet != nil},
		{"goal", s.Goal != nil}, {"sequence", s.Sequence != nil}, {"note", s.Note != nil}, {"task", s.Task != nil},
		{"order", s.Order != nil}, {"email", s.Email != nil},
	} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

// add ends the compilation of a step: one step, or one a line item when a text of it reads item.
func (c *compiler) add(path string, build func(f *filler) events.Step) {
	c.addAll(path, func(f *filler) []events.Step { return []events.Step{build(f)} })
}

func (c *compiler) addAll(path string, build func(f *filler) []events.Step) {
	c.rule.actions = append(c.rule.actions, action{path: path, only: c.only, perItem: c.items, steps: build})
	c.items = false
}

// targets compiles steps that need nothing but a name or an id, each text a step of its own.
func (c *compiler) targets(path string, list []string, kind events.StepKind) {
	if len(list) == 0 {
		c.wrong(path, 0, "the list is empty")
	}
	for i, source := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		target := c.text(at, source)
		c.names(nameOf[kind], at, target)
		c.addAll(at, func(f *filler) []events.Step {
			name := strings.TrimSpace(f.text(target))
			switch {
			case name == "" && kind != events.DoActionSet:
				return nil // an empty tag name skips that tag
			case name == "":
				f.fail("the id is empty")
			}
			return []events.Step{{Do: kind, Target: name, Literal: target.fixed()}}
		})
	}
}

func (c *compiler) goal(path string, g *Goal) {
	integration, call := c.needed(path, "integration", g.Integration), c.needed(path, "call", g.Call)
	c.names(NamedGoal, path, integration, call)
	c.add(path, func(f *filler) events.Step {
		goal := events.GoalStep{Integration: f.needed("integration", integration), Call: f.needed("call", call)}
		return events.Step{Do: events.DoGoal, Target: goal.Integration + "/" + goal.Call, Goal: &goal, Literal: integration.fixed() && call.fixed()}
	})
}

func (c *compiler) sequence(path string, s *Sequence) {
	automation, sequence := c.needed(path, "automation", s.Automation), c.needed(path, "sequence", s.Sequence)
	c.names(NamedSequence, path, automation, sequence)
	remove := s.Remove
	c.add(path, func(f *filler) events.Step {
		step := events.SequenceStep{Automation: f.needed("automation", automation), Sequence: f.needed("sequence", sequence), Remove: remove}
		return events.Step{Do: events.DoSequence, Target: step.Automation + "/" + step.Sequence, Sequence: &step, Literal: automation.fixed() && sequence.fixed()}
	})
}

var noteTypes = []string{"Appointment", "Call", "Email", "Fax", "Letter", "Other"}

func (c *compiler) note(path string, n *Note) {
	if n.Title == "" && n.Body == "" {
		c.wrong(path, 0, "a note needs a title or a body")
	}
	if n.Type != "" && !slices.Contains(noteTypes, n.Type) {
		c.wrong(path+".type", 0, fmt.Sprintf("%q is none of %s", n.Type, strings.Join(noteTypes, ", ")))
	}
	title, body, user := c.text(path+".title", n.Title), c.text(path+".body", n.Body), c.text(path+".user", n.User)
	c.names(NamedUser, path+".user", user)
	kind := n.Type
	c.add(path, func(f *filler) events.Step {
		return events.Step{Do: events.DoNote, Note: &events.NoteStep{Title: f.text(title), Body: f.text(body), Type: kind, User: f.text(user)}}
	})
}

func (c *compiler) task(path string, t *Task) {
	title := c.needed(path, "title", t.Title)
	body, due, user := c.text(path+".body", t.Body), c.due(path+".due", t.Due), c.text(path+".user", t.User)
	c.names(NamedUser, path+".user", user)
	c.add(path, func(f *filler) events.Step {
		return events.Step{Do: events.DoTask, Task: &events.TaskStep{Title: f.needed("title", title), Body: f.text(body), Due: f.time(due), User: f.text(user)}}
	})
}

func (c *compiler) order(path string, o *Order) {
	title := c.text(path+".title", o.Title)
	if c.items {
		c.wrong(path+".title", 0, "an order is recorded once; item is not there")
	}
	c.addAll(path, func(f *filler) []events.Step { return f.order(f.text(title)) })
}

func (c *compiler) email(path string, e *Email) {
	template, user := c.needed(path, "template", e.Template), c.text(path+".user", e.User)
	c.names(NamedTemplate, path+".template", template)
	c.names(NamedUser, path+".user", user)
	c.add(path, func(f *filler) events.Step {
		return events.Step{Do: events.DoEmail, Target: f.needed("template", template), Literal: template.fixed(), Email: &events.EmailStep{User: f.text(user)}}
	})
}

// contactPart is what one contact step of a rule adds to the contact step of the plan.
type contactPart struct {
	path        string
	optIn       *text
	company     *text
	fields, utm []entry
	owners      []*text
}

type entry struct {
	name  string
	value *text
}

var utmNames = []string{"campaign", "content", "medium", "source", "term"}

func (c *compiler) contact(path string, s *Contact) {
	if c.only != events.Always {
		c.wrong(path, 0, "a contact step stands under do: whether the contact was created is known only after it")
	}
	p := contactPart{path: path, optIn: c.text(path+".opt_in", s.OptIn), company: c.text(path+".company", s.Company)}
	p.fields = c.entries(path+".fields", s.Fields)
	p.utm = c.entries(path+".utm", s.UTM)
	for _, e := range p.utm {
		if !slices.Contains(utmNames, e.name) {
			c.wrong(path+".utm"+step(e.name), 0, fmt.Sprintf("%q is none of %s", e.name, strings.Join(utmNames, ", ")))
		}
	}
	if s.Owner != nil {
		p.owners = c.owners(path+".owner", s.Owner)
		for _, user := range p.owners {
			c.names(NamedUser, path+".owner", user)
		}
	}
	for _, e := range p.fields {
		c.names(NamedField, path+".fields"+step(e.name), &text{parts: []part{{literal: e.name}}})
	}
	if c.items {
		c.wrong(path, 0, "a contact is written once; item is not there", "event.order.items[0]")
	}
	c.items = false
	c.rule.contact = append(c.rule.contact, p)
}

func (c *compiler) owners(path string, o *Owner) []*text {
	switch {
	case o.User != "" && o.RoundRobin != nil:
		c.wrong(path, 0, "an owner is one user or a round robin, not both")
	case o.User != "":
		return []*text{c.text(path, o.User)}
	case len(o.RoundRobin) == 0:
		c.wrong(path, 0, "round_robin names nobody", "round_robin: [1, 5]")
	}
	var owners []*text
	for i, id := range o.RoundRobin {
		owners = append(owners, c.text(fmt.Sprintf("%s.round_robin[%d]", path, i), id))
	}
	return owners
}

func (c *compiler) entries(path string, m map[string]string) []entry {
	var entries []entry
	for _, name := range slices.Sorted(maps.Keys(m)) {
		entries = append(entries, entry{name, c.text(path+step(name), m[name])})
	}
	return entries
}
