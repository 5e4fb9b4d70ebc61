package console

import (
	"regexp"

	"bridge/internal/events"
)

// What viewers see of people: enough to tell two of them apart, not who they are.

var address = regexp.MustCompile(`[^\s"'<>(),;:=]+@[^\s"'<>(),;:]+`)

// maskText hides e-mail addresses in text.
func maskText(text string) string {
	return address.ReplaceAllStringFunc(text, maskWord)
}

// maskWord keeps the first letter.
func maskWord(text string) string {
	for _, r := range text {
		return string(r) + "•••"
	}
	return ""
}

func (who identity) row(r events.Row) events.Row {
	if who.role < Operator {
		r.Detail, r.ID, r.Step = maskText(r.Detail), maskText(r.ID), maskText(r.Step)
	}
	return r
}

func (who identity) rows(rows []events.Row) []events.Row {
	out := make([]events.Row, len(rows))
	for i, r := range rows {
		out[i] = who.row(r)
	}
	return out
}

// event hides the person, and the sender's own words, in which there may be anything.
func (who identity) event(e *events.Event) *events.Event {
	if e == nil || who.role >= Operator {
		return e
	}
	out := *e
	out.ID, out.Subject = maskText(e.ID), maskWord(e.Subject)
	out.Data.Raw = nil
	if c := e.Data.Contact; c != nil {
		masked := events.Contact{
			Email: maskText(c.Email), FirstName: maskWord(c.FirstName), LastName: maskWord(c.LastName), Phone: maskWord(c.Phone),
			Company: maskWord(c.Company), ExternalID: c.ExternalID, Consent: c.Consent,
		}
		if c.Address != nil {
			masked.Address = &events.Address{Country: c.Address.Country}
		}
		out.Data.Contact = &masked
	}
	return &out
}

// plan hides what is written about the person.
func (who identity) plan(p *events.Plan) *events.Plan {
	if p == nil || who.role >= Operator {
		return p
	}
	out := events.Plan{Rules: p.Rules, Priority: p.Priority, Made: p.Made, Who: events.Person{Email: maskText(p.Who.Email), Phone: maskWord(p.Who.Phone)}}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, events.Step{ID: maskText(s.ID), Rule: s.Rule, Do: s.Do, Only: s.Only, Target: maskText(s.Target)})
	}
	return &out
}

func (who identity) calls(calls []events.Call) []events.Call {
	if who.role >= Operator {
		return calls
	}
	out := make([]events.Call, len(calls))
	for i, c := range calls {
		out[i] = events.Call{Do: c.Do, Operation: c.Operation, Subjects: make([]string, len(c.Subjects))}
		for j, s := range c.Subjects {
			out[i].Subjects[j] = maskText(s)
		}
	}
	return out
}
