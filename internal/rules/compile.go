package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"bridge/internal/events"
)

// rule is a compiled Rule. It knows nothing of the account that it serves.
type rule struct {
	name     string
	on       []string
	priority events.Priority
	when     *expression // nil: always
	repeat   bool
	contact  []contactPart // what its contact steps add, in order
	actions  []action
	named    []named
	with     map[string]bool // parameters: true where it cannot do without
}

// action is one step of a rule, before an event is there: it makes one step, or with perItem one for each line item.
type action struct {
	path    string
	only    events.Branch
	perItem bool
	steps   func(f *filler) []events.Step
}

// compiler collects the mistakes of one rule.
type compiler struct {
	env      *cel.Env
	rule     *rule
	mistakes []Mistake

	only  events.Branch // the branch that is being compiled
	items bool          // a text of the step that is being compiled reads item
}

const maxName = 80

func compileRule(r *Rule) (*rule, []Mistake) {
	env, err := ruleEnv()
	if err != nil {
		return nil, []Mistake{{Text: err.Error()}}
	}
	c := &compiler{env: env, rule: &rule{name: r.Name, on: r.On, repeat: r.OnDoubt == "repeat", with: map[string]bool{}}}
	c.name(r.Name)
	c.types(r.On)
	c.rule.priority, err = events.ParsePriority(r.Priority)
	if err != nil {
		c.wrong(".priority", 0, err.Error())
	}
	if r.OnDoubt != "" && r.OnDoubt != "hold" && r.OnDoubt != "repeat" {
		c.wrong(".on_doubt", 0, fmt.Sprintf("%q is none of hold, repeat", r.OnDoubt))
	}
	c.when(r.When)
	if len(r.Do)+len(r.Created)+len(r.Updated) == 0 {
		c.wrong("", 0, "the rule has no steps")
	}
	c.steps(".do", r.Do, events.Always)
	c.steps(".created", r.Created, events.IfCreated)
	c.steps(".updated", r.Updated, events.IfUpdated)
	if len(c.mistakes) > 0 {
		return nil, c.mistakes
	}
	return c.rule, nil
}

func (c *compiler) wrong(path string, offset int, text string, hint ...string) {
	c.mistakes = append(c.mistakes, Mistake{Path: path, Offset: offset, Text: text, Hint: strings.Join(hint, " ")})
}

// name checks a rule's name. Slashes and plus signs separate the parts of a step's identity.
func (c *compiler) name(name string) {
	switch {
	case name == "":
		c.wrong("", 0, "the rule has no name")
	case len(name) > maxName:
		c.wrong(".name", 0, fmt.Sprintf("the name is longer than %d bytes", maxName))
	case strings.ContainsAny(name, "/+") || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name:
		c.wrong(".name", 0, "a name holds no /, no + and no blanks around it")
	}
}

func (c *compiler) types(on []string) {
	if len(on) == 0 {
		c.wrong("", 0, "the rule has no on", "on: order.paid")
	}
	for i, t := range on {
		if text := checkType(t); text != "" {
			c.wrong(fmt.Sprintf(".on[%d]", i), 0, text)
		}
	}
}

// checkType finds types that can never occur: words of a canonical family that it does not have.
func checkType(t string) string {
	family, word, dotted := strings.Cut(t, ".")
	switch {
	case t == "*":
		return ""
	case !dotted || family == "" || word == "":
		return fmt.Sprintf("%q is no event type; it looks like order.paid or order.*", t)
	case strings.Contains(strings.TrimSuffix(t, ".*"), "*"):
		return "a * stands only at the end: order.*"
	case word == "*":
		return ""
	}
	canonical := events.Types[family]
	if canonical == nil || slices.Contains(canonical, word) {
		return ""
	}
	return fmt.Sprintf("there is no event %s; %s has %s", t, family, strings.Join(canonical, ", "))
}

func (c *compiler) when(source string) {
	if source == "" {
		return
	}
	x, mistakes := compileExpression(c.env, source, 0, false)
	for _, m := range mistakes {
		hint := ""
		if strings.Contains(source, "{{") {
			hint = "when is one bare expression, without {{ }}"
		}
		c.wrong(".when", m.Offset, m.Text, hint)
	}
	if x == nil {
		return
	}
	if k := x.result.Kind(); k != types.BoolKind && k != types.DynKind {
		c.wrong(".when", 0, fmt.Sprintf("the condition gives a %s, not true or false", typeText(x.result)))
	}
	if x.uses["item"] {
		c.wrong(".when", 0, "item is there only in the texts of steps", "event.order.items.exists(i, i.sku == 'X')")
	}
	c.parameters(x)
	c.rule.when = x
}

func (c *compiler) parameters(x *expression) {
	for name, needed := range x.with {
		c.rule.with[name] = c.rule.with[name] || needed
	}
}

// text compiles one text of a step. A text with mistakes comes back empty; the mistakes keep the rule from running.
func (c *compiler) text(path, source string) *text {
	t, mistakes := parseText(c.env, source)
	for _, m := range mistakes {
		c.wrong(path, m.Offset, m.Text, m.Hint)
	}
	if len(mistakes) > 0 {
		return &text{}
	}
	for _, p := range t.parts {
		if p.expression != nil {
			c.parameters(p.expression)
		}
	}
	c.items = c.items || t.reads("item")
	return t
}

// needed is text for what a step cannot do without.
func (c *compiler) needed(path, word, source string) *text {
	if strings.TrimSpace(source) == "" {
		c.wrong(path, 0, word+" is missing")
		return &text{}
	}
	return c.text(path+"."+word, source)
}

// due compiles the time of a task.
func (c *compiler) due(path, source string) *text {
	t := c.text(path, source)
	switch {
	case source == "":
	case t.literal():
		if _, err := parseDue(t.source()); err != nil && t.source() != "" {
			c.wrong(path, 0, err.Error())
		}
	case t.alone() != nil:
		switch k := t.alone().result.Kind(); k {
		case types.TimestampKind, types.StringKind, types.DynKind:
		default:
			c.wrong(path, 0, fmt.Sprintf("a task is due at a time; this is a %s", typeText(t.alone().result)), "{{now + duration('24h')}}")
		}
	}
	return t
}

// parseDue reads an RFC 3339 time, or a date: its first moment in UTC.
func parseDue(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	if at, err := time.Parse(time.DateOnly, s); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("%.40q is neither a date (2026-12-31) nor a time (2026-12-31T12:00:00Z)", s)
}
