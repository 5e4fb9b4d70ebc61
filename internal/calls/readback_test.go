package calls

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

func note() events.Step {
	return events.Step{Do: events.DoNote, Note: &events.NoteStep{Title: "Bought", Body: "a hoodie"}}
}

func order() events.Step {
	return events.Step{Do: events.DoOrder, Order: &events.OrderStep{Paid: true, Order: events.Order{
		ID: "1", Number: "1001", Total: "59.90", Tax: "9.56", Shipping: "5.00", Discount: "5.00", Currency: "USD",
		Items: []events.Item{{SKU: "HOODIE", Name: "Hoodie", Quantity: 2, Price: "27.45"}},
	}}}
}

func TestReadingBack(t *testing.T) {
	made := func(c keapCall) string { return c.Body }
	for _, test := range []struct {
		name string
		step events.Step
		list string // the call that reads back
		show func(body string) string
	}{
		{"note", note(), "notes 7", func(body string) string { return `{"notes":[{"id":"1","text":` + field(body, "text") + `}]}` }},
		{"order", order(), "orders", func(body string) string {
			return `{"orders":[{"id":"9","title":` + field(body, "order_title") + `}]}`
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, plenty, func(b *bench) {
				a := ask(events.Normal, "ann", "7", test.step)
				if f, err := b.Check(b.t.Context(), a); f != NotHappened || err != nil {
					b.t.Errorf("before it was made: %v, %v", f, err)
				}
				b.fine(b.Do(b.t.Context(), a))
				body := made(b.far.calls[len(b.far.calls)-1])
				b.far.answer = func(c keapCall) (int, string) {
					if c.Name == test.list {
						return 200, test.show(body)
					}
					return 200, ""
				}
				if f, err := b.Check(b.t.Context(), a); f != Happened || err != nil {
					b.t.Errorf("after it was made: %v, %v", f, err)
				}
				other := ask(events.Normal, "bob", "7", test.step)
				if f, err := b.Check(b.t.Context(), other); f != NotHappened || err != nil {
					b.t.Errorf("another event's: %v, %v", f, err)
				}
			})
		})
	}
}

// field cuts a JSON string out of a request.
func field(body, name string) string {
	_, rest, _ := strings.Cut(body, `"`+name+`":`)
	for i := 1; i < len(rest); i++ {
		if rest[i] == '"' && rest[i-1] != '\\' {
			return rest[:i+1]
		}
	}
	return `""`
}

func TestWhatCannotBeReadBack(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		for _, step := range []events.Step{goal("x"), {Do: events.DoEmail, Target: "7", Email: &events.EmailStep{}}, {Do: events.DoActionSet, Target: "42"}} {
			if f, err := b.Check(b.t.Context(), ask(events.Normal, "ann", "7", step)); f != CannotTell || err != nil {
				b.t.Errorf("%s: %v, %v", step.Do, f, err)
			}
		}
		for _, step := range []events.Step{tag("1"), untag("1"), contact(ann())} {
			if f, err := b.Check(b.t.Context(), ask(events.Normal, "ann", "7", step)); f != NotHappened || err != nil {
				b.t.Errorf("%s: %v, %v", step.Do, f, err)
			}
		}
		b.expect()
		sequence := events.Step{Do: events.DoSequence, Target: "12/3", Sequence: &events.SequenceStep{Automation: "12", Sequence: "3"}}
		b.far.answer = func(keapCall) (int, string) {
			return 200, `{"add_to_automation_sequence_results":{"7":"ALREADY_IN_SEQUENCE"}}`
		}
		if f, err := b.Check(b.t.Context(), ask(events.Normal, "ann", "7", sequence)); f != Happened || err != nil {
			b.t.Errorf("sequence: %v, %v", f, err)
		}
	})
}

// TestOrderAddsUp: the lines of an order come to its total to the cent, and its payment is that total.
func TestOrderAddsUp(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		step := order()
		r := b.Do(b.t.Context(), ask(events.Normal, "ann", "7", step))
		b.fine(r)
		if r[0].Note == "" || r[0].Calls != 3 {
			b.t.Errorf("%+v", r[0])
		}
		b.expect("products", "make product", "order")
		body := b.far.calls[2].Body
		for _, want := range []string{`"quantity":2`, `"price_per_unit":27.45`, `"item_type":"SHIPPING"`, `"price_per_unit":5`, `"contact_id":"7"`, `"invoice_number":"1001"`} {
			if !strings.Contains(body, want) {
				b.t.Errorf("%s is missing in %s", want, body)
			}
		}
		if strings.Contains(body, "TAX") || strings.Contains(body, "DISCOUNT") {
			b.t.Errorf("lines beyond the total: %s", body)
		}
		pay := events.Step{Do: events.DoPayment, Order: step.Order}
		pay.Order.Keap = r[0].Note
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", pay)))
		if body := b.far.calls[3].Body; !strings.Contains(body, `"payment_amount":59.90`) {
			b.t.Errorf("payment %s", body)
		}
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "bob", "8", order())))
		b.expect("products", "make product", "order", "payment "+r[0].Note, "order") // the product is known now
	})
}

// TestPaymentIsReadBackThroughItsOrder: where the order itself was found to have happened nobody knows its id.
func TestPaymentIsReadBackThroughItsOrder(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", order())))
		made := b.far.calls[len(b.far.calls)-1].Body
		pay := events.Step{Do: events.DoPayment, Order: order().Order}
		a := ask(events.Normal, "ann", "7", pay)
		if f, err := b.Check(b.t.Context(), a); f != NotHappened || err != nil {
			b.t.Errorf("without its order: %v, %v", f, err)
		}
		paid := ""
		b.far.answer = func(c keapCall) (int, string) {
			switch c.Name {
			case "orders":
				return 200, `{"orders":[{"id":"9","title":` + field(made, "order_title") + `}]}`
			case "payments 9":
				return 200, `{"invoice_order_payments":[` + paid + `]}`
			}
			return 200, ""
		}
		if f, err := b.Check(b.t.Context(), a); f != NotHappened || err != nil {
			b.t.Errorf("before it was made: %v, %v", f, err)
		}
		b.fine(b.Do(b.t.Context(), a))
		paid = `{"id":"1","note":` + field(b.far.calls[len(b.far.calls)-1].Body, "notes") + `}`
		if f, err := b.Check(b.t.Context(), a); f != Happened || err != nil {
			b.t.Errorf("after it was made: %v, %v", f, err)
		}
	})
}

func TestRefundIsANote(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		step := order()
		step.Order.Refund = &events.Refund{Amount: "10.00", Currency: "USD", Reason: "too small"}
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", step)))
		b.expect("note")
		if body := b.far.calls[0].Body; !strings.Contains(body, "10.00 USD") || !strings.Contains(body, "order 1001") {
			b.t.Errorf("note %s", body)
		}
	})
}

// answers of XML-RPC.
const (
	actionsRan = `<?xml version="1.0"?><methodResponse><params><param><value><array><data></data></array></value></param></params></methodResponse>`
	serverPage = `<html><body>Service Unavailable</body></html>`
)

func TestBrownoutOfXMLRPC(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		away := true
		b.far.answer = func(c keapCall) (int, string) {
			switch {
			case c.Name == "xmlrpc" && away:
				return 503, serverPage
			case c.Name == "xmlrpc":
				return 200, actionsRan
			case c.Name == "userinfo":
				return 200, `{"email":"a@example.com"}`
			}
			return 200, ""
		}
		run := func(i int) []Result {
			return b.Do(b.t.Context(), ask(events.Normal, fmt.Sprint("c", i), fmt.Sprint(i+1), events.Step{Do: events.DoActionSet, Target: "42"}))
		}
		began := time.Now()
		for i := range 200 {
			r := run(i)
			b.refuses(r, events.Brownout)
			if r[0].Sent {
				b.t.Fatal("a doubt that there is none about")
			}
			time.Sleep(3 * time.Second)
		}
		probes := strings.Count(strings.Join(b.far.log(), " "), "xmlrpc")
		if minutes := int(time.Since(began) / time.Minute); probes > minutes+1 {
			b.t.Errorf("%d probes in %d minutes", probes, minutes)
		}
		if _, shown := b.Status().Outages["default"]; !shown {
			b.t.Error("the outage is not shown")
		}
		away = false
		time.Sleep(xmlrpcProbe)
		b.fine(run(1), run(2))
	})
}

func TestActionSetsAreReplacedWhenXMLRPCIsGone(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		time.Sleep(time.Until(time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC)))
		b.far.tags["Bought"] = "9"
		b.account.ActionSets = map[string]ActionSet{"42": {ReplaceWith: []Replacement{
			{Tag: "Bought"}, {Goal: &events.GoalStep{Integration: "shop", Call: "bought"}},
		}}}
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", events.Step{Do: events.DoActionSet, Target: "42"})))
		b.refuses(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", events.Step{Do: events.DoActionSet, Target: "43"})), events.NoReplacement)
		b.expect("tags", "column 9 [7]", "goal")
	})
}
