package rules

import (
	"fmt"
	"time"

	"bridge/internal/events"
)

// Plan says what the event comes to. The steps stand in the order of the rules, but for the contact: it is written
// once, first, because every other step needs its id. A plan without rules has no steps. The error is an *Error (or
// several joined); then there is no plan.
func (s *Set) Plan(e *events.Event, now time.Time) (events.Plan, error) {
	vars := s.scope(e, now)
	matched, err := s.match(e, vars)
	if err != nil {
		return events.Plan{}, err
	}
	p := &draft{event: e, plan: events.Plan{Rules: []string{}, Priority: priority(e, matched), Made: now, Who: who(e)}, seen: map[string]int{}}
	for _, r := range matched {
		p.plan.Rules = append(p.plan.Rules, r.name)
		f := &filler{scope: vars, rule: r.rule, event: e}
		vars.with = r.with
		p.rule(f)
		if f.err != nil {
			return events.Plan{}, f.err
		}
	}
	p.finish()
	return p.plan, nil
}

func who(e *events.Event) events.Person {
	c := e.Data.Contact
	if c == nil {
		return events.Person{}
	}
	return events.Person{Email: c.Email, Phone: c.Phone, ExternalID: c.ExternalID}
}

// draft is a plan in the making.
type draft struct {
	event *events.Event
	plan  events.Plan
	seen  map[string]int // how often an identity came up, without its number

	contact *events.Step // the one contact step, nil until a rule has one
	parts   string       // names of the rules that it is made of: "purchase+vip"
	owner   *events.Step
}

// rule adds the steps of one rule.
func (p *draft) rule(f *filler) {
	p.contactParts(f)
	for i := range f.rule.actions {
		a := &f.rule.actions[i]
		f.path = a.path
		if !a.perItem {
			p.add(f, a, a.steps(f))
			continue
		}
		if p.event.Data.Order == nil {
			f.fail("the event has no order, so there is no item")
			return
		}
		for j := range p.event.Data.Order.Items {
			f.scope.item = &p.event.Data.Order.Items[j]
			p.add(f, a, a.steps(f))
		}
		f.scope.item = nil
	}
}

func (p *draft) add(f *filler, a *action, steps []events.Step) {
	if f.err != nil {
		return
	}
	for _, s := range steps {
		s.Rule, s.Only, s.Repeat = f.rule.name, a.only, f.rule.repeat
		if p.redundant(&s) {
			continue
		}
		s.ID = p.identity(f.rule.name, string(s.Do)+":"+s.Target)
		p.plan.Steps = append(p.plan.Steps, s)
	}
}

// identity numbers the steps of one rule that do the same to the same target.
func (p *draft) identity(rule, what string) string {
	name := rule + "/" + what
	p.seen[name]++
	return fmt.Sprintf("%s#%d", name, p.seen[name])
}

// redundant finds steps that would do again what an earlier step of the plan does: a tag that is applied already (and
// not removed in between), a removal alike, a second record of the same order.
func (p *draft) redundant(s *events.Step) bool {
	tag := s.Do == events.DoTag || s.Do == events.DoUntag
	if !tag && s.Do != events.DoOrder && s.Do != events.DoPayment {
		return false
	}
	for i := len(p.plan.Steps) - 1; i >= 0; i-- {
		before := &p.plan.Steps[i]
		beforeTag := before.Do == events.DoTag || before.Do == events.DoUntag
		if before.Target != s.Target || beforeTag != tag || !tag && before.Do != s.Do {
			continue
		}
		if before.Only == events.Always || s.Only == events.Always || before.Only == s.Only {
			return before.Do == s.Do && (before.Only == events.Always || before.Only == s.Only)
		}
	}
	return false
}

// contactParts merges the contact steps of a rule into the one of the plan; later values win.
func (p *draft) contactParts(f *filler) {
	for i := range f.rule.contact {
		part := &f.rule.contact[i]
		f.path = part.path
		if p.contact == nil {
			p.contact = &events.Step{Rule: f.rule.name, Do: events.DoContact, Contact: &events.ContactStep{Contact: p.whole()}}
			p.parts = f.rule.name
		} else if i == 0 {
			p.parts += "+" + f.rule.name
		}
		p.contact.Repeat = f.rule.repeat && (p.contact.Repeat || p.parts == f.rule.name)
		c := p.contact.Contact
		overwrite(&c.OptIn, f.text(part.optIn))
		overwrite(&c.Company, f.text(part.company))
		c.Fields = f.entries(c.Fields, part.fields)
		c.UTM = f.entries(c.UTM, part.utm)
		if users := f.list(part.owners); len(users) > 0 {
			p.owner = &events.Step{Rule: f.rule.name, Do: events.DoOwner, Only: events.IfCreated, Repeat: f.rule.repeat,
				Owner: &events.OwnerStep{Users: users}}
		}
	}
}

func overwrite(old *string, value string) {
	if value != "" {
		*old = value
	}
}

// whole is the event's contact as it is written; the sender's further form fields are not Keap's and are left out.
func (p *draft) whole() events.Contact {
	if p.event.Data.Contact == nil {
		return events.Contact{}
	}
	c := *p.event.Data.Contact
	c.Fields = nil
	return c
}

// finish puts the contact step in front. A plan of steps without one gets the least that finds or makes the
// contact; steps that only take away look it up and create nobody.
func (p *draft) finish() {
	if p.contact == nil && len(p.plan.Steps) == 0 {
		return
	}
	front := []events.Step{}
	if p.contact == nil {
		first := p.plan.Steps[0].Rule
		front = append(front, events.Step{ID: p.identity(first, "contact:implicit"), Rule: first, Do: events.DoContact,
			Contact: &events.ContactStep{Contact: p.least(), Find: p.takesAway()}})
	} else {
		p.contact.ID = p.identity(p.parts, "contact:")
		front = append(front, *p.contact)
	}
	if p.owner != nil {
		p.owner.ID = p.identity(p.owner.Rule, "owner:")
		front = append(front, *p.owner)
	}
	p.plan.Steps = append(front, p.plan.Steps...)
}

// least is what the contact is found by, and nothing that would change it.
func (p *draft) least() events.Contact {
	w := p.plan.Who
	if w.Email != "" {
		w.Phone = ""
	}
	return events.Contact{Email: w.Email, Phone: w.Phone, ExternalID: w.ExternalID}
}

func (p *draft) takesAway() bool {
	for _, s := range p.plan.Steps {
		if s.Do != events.DoUntag && (s.Sequence == nil || !s.Sequence.Remove) {
			return false
		}
	}
	return true
}

// filler fills the texts of one rule in and keeps the first thing that goes wrong.
type filler struct {
	scope *scope
	rule  *rule
	event *events.Event
	path  string
	err   error
}

func (f *filler) fail(text string) {
	if f.err == nil {
		f.err = &Error{Reason: events.RuleError, Rule: f.rule.name, Path: f.path[1:], Text: text}
	}
}

func (f *filler) text(t *text) string {
	if f.err != nil {
		return ""
	}
	s, err := t.render(f.scope)
	if err != nil {
		f.fail(err.Error())
	}
	return s
}

func (f *filler) needed(word string, t *text) string {
	s := f.text(t)
	if s == "" {
		f.fail(word + " is empty")
	}
	return s
}

func (f *filler) list(texts []*text) []string {
	var out []string
	for _, t := range texts {
		out = append(out, f.needed("the owner", t))
	}
	return out
}

// entries fills in named texts. Empty ones are left out: what a sender does not know must not clear what Keap does.
func (f *filler) entries(into map[string]string, list []entry) map[string]string {
	for _, e := range list {
		value := f.text(e.value)
		if value == "" {
			continue
		}
		if into == nil {
			into = make(map[string]string, len(list))
		}
		into[e.name] = value
	}
	return into
}

// time fills in when a task is due; at once where nothing is said.
func (f *filler) time(t *text) time.Time {
	s := f.text(t)
	if f.err != nil || s == "" {
		return f.scope.now.Truncate(time.Second)
	}
	at, err := parseDue(s)
	if err != nil {
		f.fail("due: " + err.Error())
	}
	return at
}

// order makes the record of the event's order: what was given back for a refund, otherwise the order and, where it is
// paid, its payment.
func (f *filler) order(title string) []events.Step {
	o, refund := f.event.Data.Order, f.event.Data.Refund
	if o == nil && refund == nil {
		f.fail("the event has no order")
		return nil
	}
	var order events.Order
	if o != nil {
		order = *o
	} else {
		order = events.Order{ID: refund.OrderID, Currency: refund.Currency}
	}
	target := order.Number
	if target == "" {
		target = order.ID
	}
	if f.event.Type == "order.refunded" || refund != nil {
		return []events.Step{{Do: events.DoOrder, Target: target, Order: &events.OrderStep{Title: title, Order: order, Refund: refund}}}
	}
	paid := f.event.Type == "order.paid" || order.PaidAt != nil
	steps := []events.Step{{Do: events.DoOrder, Target: target, Order: &events.OrderStep{Title: title, Order: order, Paid: paid}}}
	if paid {
		steps = append(steps, events.Step{Do: events.DoPayment, Target: target, Order: &events.OrderStep{Title: title, Order: order, Paid: true}})
	}
	return steps
}
