package sources

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// One state of a payment is one fact, however often and however late it is announced.
func TestCieloStatesAreFacts(t *testing.T) {
	a := newAPI(t, map[string]string{"/1/sales/p1": `{"Customer":{"Email":"ada@example.com"},"Payment":{"Status":2,"Amount":100}}`})
	cfg := testConfig(t, "cielo")
	cfg.Enrich = a.enrich()
	before, seen := map[string]bool{}, map[string]bool{}
	for _, at := range []time.Duration{0, 30 * time.Minute, 3 * time.Hour} {
		deps := testDeps()
		deps.Now = func() time.Time { return testNow.Add(at) }
		src := mustNew(t, cfg, deps)
		e := opened(t, src, "", []byte(`{"PaymentId":"p1","ChangeType":1}`))
		before[e.ID] = true
		if err := src.(Enricher).Enrich(context.Background(), &e); err != nil {
			t.Fatal(err)
		}
		seen[e.ID] = true
	}
	if len(seen) != 1 || len(before) != 2 {
		t.Errorf("ids: %v, then %v", before, seen)
	}
}

// Without credentials thin events go on as they are; a rule that needs the e-mail address will say so.
func TestThinEventsWithoutEnrich(t *testing.T) {
	for kind, path := range map[string]string{"woocommerce": "user_membership.created.json", "paddle": "transaction.completed.json", "paypal": "PAYMENT.SALE.COMPLETED.json"} {
		src := mustNew(t, testConfig(t, kind), testDeps())
		event := ""
		if kind == "woocommerce" {
			event = "user_membership.created"
		}
		if e := opened(t, src, event, testdata(t, kind+"/"+path)); e.Enrich != "" {
			t.Errorf("%s: %s", kind, e.Enrich)
		}
	}
}

func TestShopifyAbandonedCheckout(t *testing.T) {
	body := testdata(t, "shopify/checkouts.create.json")
	for nodes, want := range map[string]string{`[]`: "cart.abandoned", `[{"id":"gid://shopify/Order/1"}]`: "shopify.checkouts/completed"} {
		a := newAPI(t, map[string]string{"/admin/api/2025-10/graphql.json": `{"data":{"orders":{"nodes":` + nodes + `}}}`})
		cfg := testConfig(t, "shopify")
		cfg.Enrich = a.enrich()
		now := time.Date(2026, 11, 20, 11, 30, 0, 0, time.UTC)
		deps := testDeps()
		deps.Now = func() time.Time { return now }
		src := mustNew(t, cfg, deps)
		e := opened(t, src, "checkouts/create", body)
		var later *Later
		if err := src.(Enricher).Enrich(context.Background(), &e); !errors.As(err, &later) || len(a.asked) != 0 {
			t.Fatalf("a checkout in progress: %v", err)
		}
		now = later.At.Add(time.Second)
		if err := src.(Enricher).Enrich(context.Background(), &e); err != nil || e.Type != want {
			t.Errorf("%s: %s, %v", nodes, e.Type, err)
		}
		if !strings.Contains(a.asked[0], "checkout_token:c1") {
			t.Error(a.asked)
		}
	}
}

func TestPayPalIPNPostBack(t *testing.T) {
	form := testdata(t, "paypal-ipn/cart.form")
	for answer, want := range map[string]string{"VERIFIED": "", "INVALID": "INVALID", "503": "later", "<html>": "later"} {
		a := newAPI(t, map[string]string{"/cgi-bin/webscr": answer})
		cfg := testConfig(t, "paypal-ipn")
		cfg.Enrich = &Enrich{URL: a.URL + "/cgi-bin/webscr"}
		src := mustNew(t, cfg, testDeps())
		out, err := src.(Signer).Sign("", form)
		if err != nil {
			t.Fatal(err)
		}
		reply, got, err := src.Open(context.Background(), deliver(out))
		if err != nil || reply.Status != 200 || len(reply.Body) != 0 || reply.Body == nil {
			t.Fatal(reply, err)
		}
		err = src.(Enricher).Enrich(context.Background(), &got[0])
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", answer, err)
		}
		if diff := cmp.Diff("/cgi-bin/webscrcmd=_notify-validate&"+string(form), a.asked[0]); diff != "" {
			t.Error("PayPal has to get the very bytes:", diff)
		}
	}
	cfg := testConfig(t, "paypal-ipn")
	cfg.Receivers = []string{"somebody-else@example.com"}
	src := mustNew(t, cfg, testDeps())
	e := opened(t, src, "", form)
	if err := src.(Enricher).Enrich(context.Background(), &e); err == nil || !strings.Contains(err.Error(), "receiver") {
		t.Errorf("a payment to somebody else: %v", err)
	}
}

// BigCommerce tells a refund by its id, and again as a change of the order's status: the look-up gives both one id.
func TestBigCommerceRefundIsOneFact(t *testing.T) {
	a := newAPI(t, map[string]string{
		"/v2/orders/250":          `{"id":250,"total_inc_tax":"59.90","refunded_amount":"30.00","currency_code":"EUR","billing_address":{"email":"ada@example.com"}}`,
		"/v2/orders/250/products": `[]`,
		"/v3/orders/250/payment_actions/refunds": `{"data":[{"id":2,"total_amount":"10.00","created":"2026-11-01T10:00:00Z"},
			{"id":3,"total_amount":"20.00","reason":"torn","created":"2026-11-20T11:00:04Z"}]}`,
	})
	cfg := testConfig(t, "bigcommerce")
	cfg.Enrich = a.enrich()
	src := mustNew(t, cfg, testDeps())
	for _, sample := range []string{"order.refund.created.json", "order.refunded.json"} {
		e := opened(t, src, "", testdata(t, "bigcommerce/"+sample))
		if err := src.(Enricher).Enrich(context.Background(), &e); err != nil || e.ID != "shop:order.refunded:250:3" || e.Data.Refund.Amount != "20.00" || e.Data.Refund.Reason != "torn" {
			t.Errorf("%s: %s %+v %v", sample, e.ID, e.Data.Refund, err)
		}
	}
}

// A notification's address is followed to Cielo only.
func TestCieloCheckoutAddressIsPinned(t *testing.T) {
	cfg := testConfig(t, "cielo")
	a := newAPI(t, nil)
	cfg.Enrich = a.enrich()
	src := mustNew(t, cfg, testDeps())
	for _, address := range []string{"https://evil.example.com/api/public/v1/orders/x", "http://cieloecommerce.cielo.com.br/api/public/v1/orders/x", "https://cieloecommerce.cielo.com.br/other", ""} {
		e := opened(t, src, "", []byte(`{"MerchantOrderNumber":"1","Url":"`+address+`x"}`))
		e.Enrich = "checkout"
		if e.Data.Order == nil {
			continue
		}
		if err := src.(Enricher).Enrich(context.Background(), &e); err == nil || len(a.asked) > 0 {
			t.Errorf("%s was followed: %v", address, a.asked)
		}
	}
}
