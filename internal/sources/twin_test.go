package sources

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"bridge/internal/events"
)

// One fact, several topics, and the first one names nobody: without credentials it waits for the others, which have its id.
func TestThinTwinsWait(t *testing.T) {
	for _, tt := range []struct {
		kind       string
		thin, rich [2]string // event name, sample
	}{
		{"stripe", [2]string{"", "customer.subscription.created.json"}, [2]string{"", "invoice.paid.create.json"}},
		{"stripe", [2]string{"", "customer.subscription.created.json"}, [2]string{"", "checkout.session.subscription.json"}},
		{"stripe", [2]string{"", "payment_intent.guest.json"}, [2]string{"", "checkout.session.completed.json"}},
		{"paypal", [2]string{"", "PAYMENT.CAPTURE.COMPLETED.json"}, [2]string{"", "CHECKOUT.ORDER.COMPLETED.json"}},
		{"shopify", [2]string{"refunds/create", "refunds.create.json"}, [2]string{"orders/updated", "orders.updated.json"}},
		{"adobe-events", [2]string{"", "invoice.json"}, [2]string{"", "order.paid.json"}},
	} {
		now := testNow
		deps := testDeps()
		deps.Now = func() time.Time { return now }
		src := mustNew(t, testConfig(t, tt.kind), deps)
		thin := opened(t, src, tt.thin[0], testdata(t, tt.kind+"/"+tt.thin[1]))
		var rich *events.Event
		for _, e := range openedAll(t, src, tt.rich[0], testdata(t, tt.kind+"/"+tt.rich[1])) {
			if e.ID == thin.ID {
				rich = &e
			}
		}
		if rich == nil || rich.Enrich != "" || rich.Data.Contact == nil || rich.Data.Contact.Email == "" {
			t.Errorf("%s: %s has no twin in %s: %+v", tt.kind, thin.ID, tt.rich[1], rich)
		}
		err := src.(Enricher).Enrich(context.Background(), &thin)
		var later *Later
		if !errors.As(err, &later) || !later.At.Equal(testNow.Add(10*time.Minute)) {
			t.Errorf("%s %s is not asked to wait: %v", tt.kind, tt.thin[1], err)
		}
		now = testNow.Add(11 * time.Minute)
		if err := src.(Enricher).Enrich(context.Background(), &thin); err != nil || thin.Enrich != "" {
			t.Errorf("%s %s waits although nothing came: %v", tt.kind, tt.thin[1], err)
		}
	}
}

// Where Stripe can be asked, one fact says the same whichever of its events comes first.
func TestStripeTwinsComeOutAlike(t *testing.T) {
	session := dataObject(t, "stripe/checkout.session.completed.json")
	a := newAPI(t, map[string]string{
		"/v1/checkout/sessions?limit=1&payment_intent=pi_1": `{"data":[` + session + `]}`,
		"/v1/checkout/sessions/cs_test_1/line_items":        `{"data":[{"description":"Hoodie","quantity":2,"amount_total":5990,"currency":"eur","price":{"id":"price_1","product":"prod_1"}}]}`,
		"/v1/subscriptions/sub_1":                           `{"id":"sub_1","latest_invoice":` + dataObject(t, "stripe/invoice.paid.create.json") + `}`,
		"/v1/customers/cus_1":                               `{"id":"cus_1","email":"other@example.com"}`,
	})
	cfg := testConfig(t, "stripe")
	cfg.Enrich = a.enrich()
	src := mustNew(t, cfg, testDeps())
	of := func(sample string) events.Event {
		e := opened(t, src, "", testdata(t, "stripe/"+sample))
		if err := src.(Enricher).Enrich(context.Background(), &e); err != nil {
			t.Fatalf("%s: %v", sample, err)
		}
		return e
	}
	paid := of("checkout.session.completed.json")
	for _, e := range []events.Event{paid, of("payment_intent.guest.json"), of("payment_intent.succeeded.json")} {
		o := e.Data.Order
		if e.ID != paid.ID || e.Data.Contact.Email != "ada@example.com" || o.Total != paid.Data.Order.Total || len(o.Items) != 1 || o.Items[0].SKU != "price_1" || o.Items[0].Price != "29.95" {
			t.Errorf("%s: %+v %+v", e.ID, e.Data.Contact, o)
		}
	}
	started := of("invoice.paid.create.json")
	e := of("customer.subscription.created.json")
	if e.ID != started.ID || e.Data.Contact.Email != started.Data.Contact.Email || e.Data.Order == nil || e.Data.Order.Total != started.Data.Order.Total ||
		len(e.Data.Order.Items) != len(started.Data.Order.Items) {
		t.Errorf("%+v %+v; the invoice says %+v", e.Data.Contact, e.Data.Order, started.Data.Order)
	}
}

// dataObject is the object that an event of Stripe is about.
func dataObject(t *testing.T, path string) string {
	t.Helper()
	v, err := decodeJSON(testdata(t, path))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(newTree(v).at("data.object").v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func openedAll(t *testing.T, src Source, event string, body []byte) []events.Event {
	t.Helper()
	out, err := src.(Signer).Sign(event, body)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := src.Open(context.Background(), deliver(out))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Stripe counts some currencies otherwise than ISO 4217 does.
func TestStripeCurrencies(t *testing.T) {
	for currency, want := range map[string]events.Money{
		"eur": "1000.00", "jpy": "100000", "kwd": "100.000", "isk": "1000.00", "ugx": "1000.00", "mga": "100000", "huf": "1000.00",
	} {
		body := []byte(`{"id":"evt_1","type":"payment_intent.succeeded","created":1795172400,"data":{"object":{"id":"pi_1","amount_received":100000,"receipt_email":"ada@example.com","currency":"` + currency + `"}}}`)
		if e := opened(t, mustNew(t, testConfig(t, "stripe"), testDeps()), "", body); e.Data.Order.Total != want {
			t.Errorf("100000 %s is %s, want %s", currency, e.Data.Order.Total, want)
		}
	}
}

// Cielo's Checkout names the buyer when the order is placed; what becomes of it later is told by number only.
func TestCieloCheckoutBuyer(t *testing.T) {
	order := `{"order_number":"4711","checkout_cielo_order_number":"b9ab1956","amount":5990,"payment_status":2,"customer_name":"Ada Example","customer_email":"ada@example.com"}`
	a := newAPI(t, map[string]string{"/api/public/v1/orders/key/4711": order})
	cfg := testConfig(t, "cielo")
	cfg.Enrich = a.enrich()
	src := mustNew(t, cfg, testDeps())
	e := opened(t, src, "", testdata(t, "cielo/checkout.status.form"))
	if err := src.(Enricher).Enrich(context.Background(), &e); err != nil || whoAndWhat(&e) != "order.failed ada@example.com Ada" || e.ID != "shop:order.failed:b9ab1956" {
		t.Errorf("%s %s: %v", e.ID, whoAndWhat(&e), err)
	}
	other := opened(t, src, "", []byte("checkout_cielo_order_number=another&amount=5990&order_number=4711&payment_status=2"))
	if err := src.(Enricher).Enrich(context.Background(), &other); err == nil || other.Data.Contact != nil {
		t.Errorf("another order's buyer: %+v", other.Data.Contact)
	}
}
