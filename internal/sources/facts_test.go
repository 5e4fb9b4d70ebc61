package sources

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bridge/internal/events"
)

// One fact has one id, whatever topic or surface announces it.
func TestOneFactManyTopics(t *testing.T) {
	tests := []struct {
		kind, id string
		samples  []string
	}{
		{"shopify", "shop:order.paid:820982911946154508", []string{"orders.create.json", "orders.paid.json"}},
		{"shopify", "shop:order.refunded:820982911946154508:509562969", []string{"orders.updated.json", "refunds.create.json"}},
		{"paypal", "shop:order.paid:CAP1", []string{"PAYMENT.CAPTURE.COMPLETED.json", "CHECKOUT.ORDER.COMPLETED.json"}},
		{"stripe", "shop:order.paid:pi_1", []string{"checkout.session.completed.json", "payment_intent.succeeded.json"}},
		{"stripe", "shop:subscription.started:sub_1", []string{
			"checkout.session.subscription.json", "invoice.paid.create.json", "customer.subscription.created.json",
		}},
		{"hotmart", "shop:order.paid:HP100", []string{"PURCHASE_APPROVED.json", "PURCHASE_COMPLETE.json"}},
		{"woocommerce", "shop:order.paid:4711", []string{"order.created.json", "order.refunded.json", "order.no-headers.json"}},
		{"mageplaza", "shop:order.paid:31", []string{"order.json", "order.xml"}},
	}
	for _, tt := range tests {
		all := samplesIn(t, "testdata/"+tt.kind, tt.kind)
		for _, name := range tt.samples {
			i := slices.IndexFunc(all, func(s sample) bool { return s.name == name })
			if i < 0 {
				t.Fatalf("%s has no sample %s", tt.kind, name)
			}
			_, got, err := Parse("shop", "default", testConfig(t, tt.kind), testDeps(), all[i].request())
			if err != nil || !slices.Contains(ids(got), tt.id) {
				t.Errorf("%s %s: %v, %v; want %s", tt.kind, name, ids(got), err, tt.id)
			}
		}
	}
}

// An old payment that shows again because somebody touched the order is old, however fresh the delivery is.
func TestTouchedOrdersAreNotPaidAgain(t *testing.T) {
	months := func(body []byte) []byte { return bytes.ReplaceAll(body, []byte("2026-11-20"), []byte("2026-06-20")) }
	for kind, path := range map[string]string{"shopify": "shopify/orders.create.json", "adobe-events": "adobe-events/order.paid.json"} {
		body := months(testdata(t, path))
		body = bytes.Replace(body, []byte(`"time": "2026-06-20`), []byte(`"time": "2026-11-20`), 1)
		body = bytes.Replace(body, []byte(`"updated_at": "2026-06-20`), []byte(`"updated_at": "2026-11-20`), 1)
		src := mustNew(t, testConfig(t, kind), testDeps())
		out, err := src.(Signer).Sign("orders/updated", body)
		if err != nil {
			t.Fatal(err)
		}
		r := deliver(out)
		r.Header.Set("X-Shopify-Triggered-At", "2026-11-20T11:00:00Z")
		reply, got, err := src.Open(t.Context(), r)
		if err != nil || len(got) != 0 || reply.Ignored != events.OldFact {
			t.Errorf("%s: %v, %+v, %v", kind, ids(got), reply, err)
		}
	}
}

// Facts of one delivery are old one by one.
func TestOldFactsBesideNewOnes(t *testing.T) {
	body := wooOrderJSON("2026-11-20T11:00:04", "2026-07-01T10:00:00", `"refunds": []`, `"refunds": [{"id": 9, "total": "-10.00"}]`)
	_, got, err := openWooSigned(t, "order.updated", body)
	if err != nil || strings.Join(ids(got), " ") != "shop:order.refunded:4711:9" || !got[0].Time.Equal(got[0].Received) {
		t.Errorf("%v, %v", ids(got), err)
	}
}

// The new header names of Shopify say resource and action apart.
func TestShopifyNewHeaders(t *testing.T) {
	body := testdata(t, "shopify/orders.create.json")
	src := mustNew(t, testConfig(t, "shopify"), testDeps())
	out, err := src.(Signer).Sign("", body)
	if err != nil {
		t.Fatal(err)
	}
	r := deliver(out)
	signature := r.Header.Get("X-Shopify-Hmac-Sha256")
	r.Header = http.Header{
		"Shopify-Hmac-Sha256": {signature}, "Shopify-Topic": {"Order"}, "Shopify-Action": {"create"}, "Shopify-Webhook-Id": {"w1"},
		"X-Shopify-Hmac-Sha256": {"AAAA"}, // the new name counts where both are there
	}
	if _, got, err := src.Open(t.Context(), r); err != nil || strings.Join(types(got), " ") != "order.created order.paid" {
		t.Errorf("%v, %v", types(got), err)
	}
}

// Every sender that says when a state is from is asked for it: later states are told from earlier ones by that alone.
func TestVersionsGrow(t *testing.T) {
	for _, tt := range []struct{ kind, sample, was, is string }{
		{"woocommerce", "order.created.json", `"date_modified_gmt": "2026-11-20T11:00:05"`, `"date_modified_gmt": "2026-11-20T11:30:00"`},
		{"woocommerce", "subscription.created.json", "11:00:05", "11:30:00"},
		{"shopify", "orders.create.json", `"updated_at": "2026-11-20T06:0`, `"updated_at": "2026-11-20T06:3`},
		{"shopify", "orders.updated.json", `"updated_at": "2026-11-20T06:0`, `"updated_at": "2026-11-20T06:3`},
		{"shopify", "customers.create.json", `"updated_at": "2026-11-20T05:0`, `"updated_at": "2026-11-20T05:3`},
		{"paypal", "CHECKOUT.ORDER.COMPLETED.json", `"update_time": "2026-11-20T11:00:06Z"`, `"update_time": "2026-11-20T11:30:00Z"`},
		{"paypal-ipn", "subscr_cancel.form", "subscr_date=03%3A0", "subscr_date=03%3A3"},
		{"stripe", "customer.updated.json", "1795172400", "1795174200"},
		{"hotmart", "PURCHASE_APPROVED.json", "1795172410000", "1795174210000"},
		{"adobe-events", "customer.json", `"updated_at": "2026-11-20 10:00`, `"updated_at": "2026-11-20 10:30`},
		{"adobe-commerce", "order_place.json", `"updated_at": "2026-11-20 11:0`, `"updated_at": "2026-11-20 11:3`},
		{"mageplaza", "order.json", `"updated_at": "2026-11-20 11:0`, `"updated_at": "2026-11-20 11:3`},
		{"thrivecart", "order.success.json", "1795172405", "1795174205"},
		{"clickfunnels", "order.completed.json", "2026-11-20T11:0", "2026-11-20T11:3"},
		{"bigcommerce", "order.paid.json", "1795172405", "1795174205"},
		{"paddle", "customer.created.json", `"updated_at": "2026-11-20T11:0`, `"updated_at": "2026-11-20T11:3`},
		{"membermouse", "mm_member_add.query", "last_updated=2026-11-20+11%3A0", "last_updated=2026-11-20+11%3A3"},
		{"keap", "contact.add.json", "2026-11-20T11:0", "2026-11-20T11:3"},
	} {
		all := samplesIn(t, "testdata/"+tt.kind, tt.kind)
		i := slices.IndexFunc(all, func(s sample) bool { return s.name == tt.sample })
		older, newer := all[i], all[i]
		if newer.body = bytes.ReplaceAll(older.body, []byte(tt.was), []byte(tt.is)); bytes.Equal(newer.body, older.body) {
			t.Errorf("%s %s does not hold %s", tt.kind, tt.sample, tt.was)
		}
		var versions [2][]events.Event
		for n, s := range []sample{older, newer} {
			var err error
			if _, versions[n], err = Parse("shop", "default", testConfig(t, tt.kind), testDeps(), s.request()); err != nil {
				t.Fatal(err)
			}
		}
		for n := range versions[0] {
			if a, b := versions[0][n].Updated, versions[1][n].Updated; a.IsZero() || !b.After(a) {
				t.Errorf("%s %s: %s is of %s, then of %s", tt.kind, tt.sample, versions[0][n].Type, a, b)
			}
		}
	}
}
