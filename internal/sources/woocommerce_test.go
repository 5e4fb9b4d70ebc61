package sources

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bridge/internal/events"
	"bridge/internal/secret"

	"github.com/google/go-cmp/cmp"
)

// wooOrderJSON is an order in the shape of the REST resource, dated shortly before testNow.
func wooOrderJSON(replace ...string) []byte {
	return []byte(strings.NewReplacer(replace...).Replace(`{
		"id": 4711, "number": "4711", "status": "processing", "currency": "EUR", "created_via": "checkout",
		"date_created_gmt": "2026-11-20T11:00:00", "date_modified_gmt": "2026-11-20T11:00:05", "date_paid_gmt": "2026-11-20T11:00:04",
		"discount_total": "5.00", "shipping_total": "4.90", "total": "59.90", "total_tax": "9.56", "customer_id": 17,
		"billing": {"first_name": "Ada", "last_name": "Example", "company": "", "address_1": "1 Test Street", "address_2": "", "city": "Testville",
			"state": "CA", "postcode": "94103", "country": "US", "email": "ada@example.com", "phone": "+1 555 0100"},
		"line_items": [{"id": 1, "name": "Hoodie &ndash; Blue", "product_id": 93, "variation_id": 0, "quantity": 2, "sku": "HOODIE", "price": 25, "total": "50.00"}],
		"coupon_lines": [{"code": "FRIDAY"}], "refunds": [], "meta_data": [],
		"_links": {"self": [{"href": "https://shop.example.com/wp-json/wc/v3/orders/4711"}]}
	}`))
}

func openWooSigned(t *testing.T, topic string, body []byte) (Reply, []events.Event, error) {
	t.Helper()
	s := mustNew(t, testConfig(t, "woocommerce"), testDeps())
	out, err := s.(Signer).Sign(topic, body)
	if err != nil {
		t.Fatal(err)
	}
	return s.Open(context.Background(), deliver(out))
}

func TestWooCommerceOneFactOneID(t *testing.T) {
	_, created, err := openWooSigned(t, "order.created", wooOrderJSON())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"order.created", "order.paid"}, types(created)); diff != "" {
		t.Error(diff)
	}
	later := wooOrderJSON(`"processing"`, `"completed"`, "11:00:05", "11:30:00")
	_, updated, err := openWooSigned(t, "order.updated", later)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"order.paid"}, types(updated)); diff != "" {
		t.Error(diff)
	}
	if created[1].ID != updated[0].ID || created[1].ID != "shop:order.paid:4711" {
		t.Errorf("ids of one payment differ: %s, %s", created[1].ID, updated[0].ID)
	}
	if created[0].ID == created[1].ID {
		t.Error("two facts share one id")
	}
	if !updated[0].Updated.After(created[1].Updated) {
		t.Errorf("versions do not grow: %s, %s", created[1].Updated, updated[0].Updated)
	}
}

func TestWooCommerceData(t *testing.T) {
	_, got, err := openWooSigned(t, "order.updated", wooOrderJSON())
	if err != nil {
		t.Fatal(err)
	}
	paid := got[0].Time
	want := events.Data{
		Contact: &events.Contact{
			Email: "ada@example.com", FirstName: "Ada", LastName: "Example", Phone: "+1 555 0100", ExternalID: "17",
			Address: &events.Address{Line1: "1 Test Street", City: "Testville", Region: "CA", PostalCode: "94103", Country: "US"},
		},
		Order: &events.Order{
			ID: "4711", Number: "4711", Total: "59.90", Tax: "9.56", Shipping: "4.90", Discount: "5.00", Currency: "EUR", Status: "processing",
			PaidAt: &paid, URL: "https://shop.example.com/", Coupons: []string{"FRIDAY"},
			Items: []events.Item{{SKU: "HOODIE", Name: "Hoodie – Blue", Quantity: 2, Price: "25", ProductID: "93"}},
		},
		Raw: wooOrderJSON(),
	}
	if diff := cmp.Diff(want, got[0].Data); diff != "" {
		t.Error(diff)
	}
}

func TestWooCommerceStates(t *testing.T) {
	unpaid := []string{`"date_paid_gmt": "2026-11-20T11:00:04"`, `"date_paid_gmt": null`}
	refunds := []string{`"refunds": []`, `"refunds": [{"id": 9, "reason": "too small", "total": "-10.00"}, {"id": 12, "total": "-49.90"}]`}
	tests := []struct {
		name, topic string
		replace     []string
		want        []string
	}{
		{"failed", "order.updated", append(unpaid, `"processing"`, `"failed"`), []string{"shop:order.failed:4711"}},
		{"cancelled", "order.updated", append(unpaid, `"processing"`, `"cancelled"`), []string{"shop:order.cancelled:4711"}},
		{"on hold is no fact", "order.updated", append(unpaid, `"processing"`, `"on-hold"`), []string{"shop:woocommerce.order.updated:4711:2026-11-20T11:00:05"}},
		{"partly refunded", "order.updated", refunds, []string{"shop:order.paid:4711", "shop:order.refunded:4711:9", "shop:order.refunded:4711:12"}},
		{"refunded", "order.updated", append(refunds, `"processing"`, `"refunded"`), []string{"shop:order.refunded:4711:9", "shop:order.refunded:4711:12"}},
		{"renewal", "order.created", []string{`"meta_data": []`, `"meta_data": [{"key": "_subscription_renewal", "value": "88"}]`},
			[]string{"shop:order.created:4711", "shop:order.paid:4711", "shop:subscription.renewed:4711"}},
		{"deleted", "order.deleted", nil, []string{"shop:woocommerce.order.deleted:4711:2026-11-20T11:00:05"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, got, err := openWooSigned(t, tt.topic, wooOrderJSON(tt.replace...))
			if err != nil {
				t.Fatal(err)
			}
			ids := []string{}
			for _, e := range got {
				ids = append(ids, e.ID)
			}
			if diff := cmp.Diff(tt.want, ids); diff != "" {
				t.Error(diff)
			}
		})
	}
	_, got, _ := openWooSigned(t, "order.updated", wooOrderJSON(append(refunds, `"processing"`, `"refunded"`)...))
	want := &events.Refund{ID: "12", OrderID: "4711", Amount: "49.90", Currency: "EUR", Full: true}
	if diff := cmp.Diff(want, got[1].Data.Refund); diff != "" {
		t.Error(diff)
	}
}

func TestWooCommercePing(t *testing.T) {
	s := mustNew(t, testConfig(t, "woocommerce"), testDeps())
	reply, got, err := s.Open(context.Background(), Request{Body: []byte("webhook_id=7"), Header: http.Header{}})
	if err != nil || reply.Status != http.StatusOK || reply.Ignored != events.Ignored || len(got) != 0 {
		t.Errorf("ping: %+v, %v, %v", reply, got, err)
	}
	for _, body := range []string{"webhook_id=7&status=paid", "webhook_id=", `{"webhook_id":7}`} {
		if _, _, err := s.Open(context.Background(), Request{Body: []byte(body)}); statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", body, err)
		}
	}
	withTopic := Request{Body: []byte("webhook_id=7"), Header: http.Header{"X-Wc-Webhook-Topic": {"order.updated"}}}
	if _, _, err := s.Open(context.Background(), withTopic); statusOf(err) != http.StatusUnauthorized {
		t.Errorf("a ping with a topic: %v", err)
	}
}

func TestWooCommerceOldFacts(t *testing.T) {
	old := wooOrderJSON("2026-11-20T11:00:04", "2026-07-01T10:00:00")
	reply, got, err := openWooSigned(t, "order.updated", old)
	if err != nil || len(got) != 0 || reply.Ignored != events.OldFact {
		t.Errorf("an old payment: %+v, %v, %v", reply, types(got), err)
	}
	_, got, err = Parse("shop", "default", testConfig(t, "woocommerce"), testDeps(), Request{Body: old})
	if err != nil || !slices.Equal(types(got), []string{"order.paid"}) {
		t.Errorf("trying an old payload out: %v, %v", types(got), err)
	}
}

// WordPress stores a&b as a&amp;b and signs with what it meant.
func TestWooCommerceSecretWithEntities(t *testing.T) {
	cfg := Config{Kind: "woocommerce", Secret: secrets("a&amp;b")}
	body := []byte(`{"id":727}`)
	h := http.Header{"X-Wc-Webhook-Topic": {"order.deleted"}, "X-Wc-Webhook-Signature": {"fvvfKrQTDGAWM83fuFQAeFPz+Xaj5zHi22J9mwwzwd8="}}
	if _, _, err := mustNew(t, cfg, testDeps()).Open(context.Background(), Request{Header: h, Body: body}); err != nil {
		t.Error(err)
	}
	if cfg.Secret[0].Reveal() != "a&amp;b" {
		t.Error("the configuration was changed")
	}
}

func TestWooCommerceCartFlows(t *testing.T) {
	cfg := testConfig(t, "woocommerce")
	form := []byte("first_name=Ada&email=ada%40example.com&checkout_url=https%3A%2F%2Fshop.example.com%2Fc%3Ft%3D1&order_status=abandoned&cart_total=29.00")
	r := Request{Body: form, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	if _, _, err := mustNew(t, cfg, testDeps()).Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
		t.Errorf("without a path_secret: %v", err)
	}
	cfg.PathSecret, r.SubPath = secret.New(testPathSecret), testPathSecret
	s := mustNew(t, cfg, testDeps())
	_, got, err := s.Open(context.Background(), r)
	if err != nil || len(got) != 1 || got[0].Type != "cart.abandoned" || got[0].Data.Order.Total != "29.00" || got[0].Data.Contact.Email != "ada@example.com" {
		t.Errorf("%+v, %v", got, err)
	}
	r.Body = wooOrderJSON()
	r.Header = http.Header{"X-Wc-Webhook-Topic": {"order.updated"}}
	if _, _, err := s.Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
		t.Errorf("an unsigned order at the secret address: %v", err)
	}
}

// A site may sign with another algorithm than WooCommerce's own.
func TestWooCommerceAlgorithm(t *testing.T) {
	cfg := testConfig(t, "woocommerce")
	cfg.Verify = &Verify{HMAC: &HMAC{Algorithm: "sha512"}}
	src := mustNew(t, cfg, testDeps())
	out, err := src.(Signer).Sign("order.created", wooOrderJSON())
	if err != nil || len(out.Header.Get("X-WC-Webhook-Signature")) != 88 {
		t.Fatal(out.Header, err)
	}
	if _, got, err := src.Open(t.Context(), deliver(out)); err != nil || len(got) != 2 {
		t.Error(types(got), err)
	}
	if _, _, err := mustNew(t, testConfig(t, "woocommerce"), testDeps()).Open(t.Context(), deliver(out)); statusOf(err) != http.StatusUnauthorized {
		t.Errorf("SHA-512 where nobody asked for it: %v", err)
	}
	for _, v := range []*Verify{{}, {HMAC: &HMAC{Algorithm: "md5"}}, {HMAC: &HMAC{Algorithm: "sha1", Header: "X"}}, {Bearer: secrets("x")}} {
		cfg.Verify = v
		if _, mistakes := New("shop", "default", cfg, testDeps()); len(mistakes) == 0 {
			t.Errorf("%+v is taken", v)
		}
	}
}
