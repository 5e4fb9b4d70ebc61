package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

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

// exchange hides the person in what was said to Keap: values are masked but those that name things of Keap.
func (who identity) exchange(x *events.Exchange) *events.Exchange {
	if who.role >= Operator {
		return x
	}
	out := *x
	path, query, _ := strings.Cut(x.Target, "?")
	out.Target = path
	if values, err := url.ParseQuery(query); query != "" && err == nil {
		var names []string
		for name := range values {
			names = append(names, name+"=•••")
		}
		slices.Sort(names)
		out.Target += "?" + strings.Join(names, "&")
	}
	out.Sent.Text, out.Answered.Text = maskBody(x.Sent), maskBody(x.Answered)
	return &out
}

// maskBody hides the values of a JSON body. Of what is no JSON, or was cut, nothing but its length is shown.
func maskBody(x events.Excerpt) string {
	if x.Text == "" {
		return ""
	}
	var v any
	if len(x.Text) < x.Size || json.Unmarshal([]byte(x.Text), &v) != nil {
		return fmt.Sprintf("(%d bytes)", x.Size)
	}
	text, err := json.Marshal(maskValue(v, false))
	if err != nil {
		return fmt.Sprintf("(%d bytes)", x.Size)
	}
	return string(text)
}

// plainName finds the fields whose values name things of Keap or say what went wrong.
var plainName = regexp.MustCompile(`(?i)(^|_)ids?$|Ids?$|^(code|status|result|message|error|field|duplicate_option|date_created|last_updated)$`)

func maskValue(v any, plain bool) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = maskValue(inner, plainName.MatchString(name))
		}
		return v
	case []any:
		for i := range v {
			v[i] = maskValue(v[i], plain)
		}
		return v
	case string:
		if plain {
			return maskText(v)
		}
		return maskWord(v)
	case float64:
		if !plain {
			return "•••"
		}
	}
	return v
}
