package rules

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"bridge/internal/events"
)

// noteOf fills a text in as the title of a note.
func noteOf(t *testing.T, e *events.Event, source string) (string, error) {
	t.Helper()
	p, err := compile(t, Rule{Name: "r", On: []string{"*"}, Do: []Step{{Note: &Note{Title: source}}}}).Plan(e, noon)
	if err != nil {
		return "", err
	}
	return p.Steps[1].Note.Title, nil
}

func TestTexts(t *testing.T) {
	for source, want := range map[string]string{
		"plain":                                    "plain",
		"{{event.order.total}}":                    "59.90",
		"{{ event.order.total }}!":                 "59.90!",
		"{{string(event.order.total)}}":            "59.90",
		"{{'total ' + string(event.order.total)}}": "total 59.90",
		"{{event.order.total + 0.1}}":              "60",
		"{{event.order.total > 50 ? event.order.total : event.order.items[1].price}}":                 "59.90",
		"{{event.order.items.map(i, string(i.price)).join(' ')}}":                                     "45.00 7.45 45.00",
		"{{event.order.items.filter(item, item.price < 10.0)[0].sku}}":                                "BELT",
		"{{10.0 <= event.order.total}} {{event.order.total == 59.9}} {{event.order.total in [59.9]}}": "true true true",
		"{{event.order.tax}}":                                   "",
		"{{has(event.order.tax) ? 'taxed' : 'free'}}":           "free",
		"{{has(event.subscription.plan)}}":                      "false",
		"{{event.?subscription.?plan.orValue('none')}}":         "none",
		"{{event.order.paid_at}}":                               "2026-11-27T11:00:00Z",
		"{{now}}":                                               "2026-11-27T12:00:00Z",
		"{{now.getFullYear()}}":                                 "2026",
		"{{event.raw.id}}":                                      "820982911946154508",
		"{{event.raw.meta[0].key}} {{event.raw.meta[0].value}}": "gift true",
		"{{event.raw.weight}} {{event.raw['weight']}} {{event.raw.weight + 1.0}}": "1.50 1.50 2.5",
		"{{event.raw.sizes[1]}}":                             "12345678901234567.10",
		"{{event.raw.note}}":                                 "",
		"{{event.contact.fields.budget}}":                    "low",
		"{{source.name}}/{{source.kind}}":                    "shop/woocommerce",
		"{{event.type}} {{event.id}} {{event.account}}":      "order.paid shop:order.paid:1001 default",
		"{{'}}'}}{{\"{{\"}}":                                 "}}{{",
		"{{ {'a': {'b': 'c'}}.a.b }}":                        "c",
		"{{r'\\'}}":                                          `\`,
		"{{'''it's'''}}":                                     "it's",
		"ünï {{event.contact.first_name.upperAscii()}} cödé": "ünï ADA cödé",
		"a }} b": "a }} b",
	} {
		got, err := noteOf(t, paidOrder(), source)
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", source, got, err, want)
		}
	}
}

func TestTextsThatFailAtRunTime(t *testing.T) {
	for source, want := range map[string]string{
		"{{event.subscription.plan}}":                 "the event has no subscription",
		"{{event.contact.address.city}}":              "the contact has no address",
		"{{event.order.items[9].sku}}":                "index out of bounds: 9",
		"{{event.raw.nothing}}":                       "nothing is missing",
		"{{event.contact.fields.colour}}":             "colour is missing",
		"{{event.order.tax + 1.0}}":                   "tax is not given",
		"{{event.updated}}":                           "updated is not given",
		"{{event.raw.meta}}":                          "a list is no text",
		"{{1 / (event.order.items[0].quantity - 1)}}": "division by zero",
		"{{[1,2,3,4,5,6,7,8,9,10].map(a, [1,2,3,4,5,6,7,8,9,10].map(b, [1,2,3,4,5,6,7,8,9,10].map(c, [1,2,3,4,5,6,7,8,9,10].map(d, [1,2,3,4,5,6,7,8,9,10].map(e, a*b*c*d*e))))).size()}}": "the expression costs too much",
	} {
		got, err := noteOf(t, paidOrder(), source)
		var failure *Error
		if !errors.As(err, &failure) {
			t.Errorf("%s: got %q, %v; want an *Error", source, got, err)
			continue
		}
		if failure.Reason != events.RuleError || failure.Rule != "r" || failure.Path != "do[0].note" || !strings.Contains(failure.Text, want) {
			t.Errorf("%s: got %+v, want %q", source, failure, want)
		}
	}
}

func TestCompileTemplate(t *testing.T) {
	fill, err := CompileTemplate("{{body.name}} {{body.items[0].price}} {{body.total}} {{body.id}} {{header['x-kind']}}", "body", "header")
	if err != nil {
		t.Fatal(err)
	}
	got, err := fill(map[string]any{
		"body":   map[string]any{"name": "Ada", "total": json.Number("59.90"), "id": json.Number("820982911946154508"), "items": []any{map[string]any{"price": json.Number("12")}}},
		"header": map[string]string{"x-kind": "test"},
	})
	if err != nil || got != "Ada 12 59.90 820982911946154508 test" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := fill(map[string]any{"body": map[string]any{}}); err == nil {
		t.Error("a missing field has to fail")
	}
	_, err = CompileTemplate("ok {{event.id}}", "body")
	var m Mistake
	if !errors.As(err, &m) || m.Offset != 5 {
		t.Errorf("got %#v", err)
	}
}
