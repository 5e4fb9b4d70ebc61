package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"

	"github.com/google/go-cmp/cmp"
)

// api is a sender's own API in a test: answers by path, and what was asked.
type api struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]string // path, with its query where it matters, → body; "429" and "500" are statuses
	asked   []string
	auth    []string
}

func newAPI(t *testing.T, answers map[string]string) *api {
	t.Helper()
	a := &api{answers: answers}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.RequestURI()+string(body))
	a.auth = append(a.auth, r.Header.Get("Authorization")+r.Header.Get("X-Auth-Token")+r.Header.Get("X-Shopify-Access-Token")+r.Header.Get("MerchantKey"))
	answer, ok := a.answers[r.URL.RequestURI()]
	if !ok {
		answer, ok = a.answers[r.URL.Path]
	}
	switch {
	case !ok:
		http.NotFound(w, r)
	case len(answer) == 3:
		status, _ := strconv.Atoi(answer)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
	default:
		_, _ = io.WriteString(w, answer)
	}
}

func (a *api) enrich() *Enrich {
	return &Enrich{URL: a.URL, Key: secret.New("key"), Secret: secret.New("secret"), Token: secret.New("token"), PerSecond: 1000}
}

// opened signs a sample and opens it: exactly one event is expected.
func opened(t *testing.T, src Source, event string, body []byte) events.Event {
	t.Helper()
	out, err := src.(Signer).Sign(event, body)
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := src.Open(context.Background(), deliver(out))
	if err != nil || len(got) == 0 {
		t.Fatal(got, err)
	}
	return got[0]
}

func testdata(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEnrich(t *testing.T) {
	const paypalOrderJSON = `{"id":"ORD1","payer":{"email_address":"ada@example.com","name":{"given_name":"Ada"}},"purchase_units":[{"items":[{"name":"Hoodie","sku":"HOODIE","quantity":"1","unit_amount":{"value":"59.90"}}]}]}`
	tests := []struct {
		kind, event, sample string
		answers             map[string]string
		auth                string // what the API must have seen
		check               func(e *events.Event) string
		want                string
	}{
		{"woocommerce", "user_membership.created", "user_membership.created.json", map[string]string{
			"/wp-json/wc/v3/customers/17": `{"id":17,"email":"ada@example.com","first_name":"Ada","billing":{"phone":"5550100"}}`,
		}, "Basic a2V5OnNlY3JldA==", whoAndWhat, "membership.started ada@example.com Ada"},
		{"shopify", "refunds/create", "refunds.create.json", map[string]string{
			"/admin/api/2025-10/orders/820982911946154508.json": `{"order":{"id":820982911946154508,"name":"#1001","email":"ada@example.com","customer":{"first_name":"Ada"},"total_price":"41.94","currency":"USD","financial_status":"refunded"}}`,
		}, "token", whoAndWhat, "order.refunded ada@example.com Ada 41.94 of 41.94 full"},
		{"shopify", "subscription_contracts/create", "subscription_contracts.create.json", map[string]string{
			"/admin/api/2025-10/customers/115310627314723954.json": `{"customer":{"id":115310627314723954,"email":"ada@example.com","first_name":"Ada"}}`,
		}, "token", whoAndWhat, "subscription.started ada@example.com Ada"},
		{"stripe", "", "customer.subscription.created.json", map[string]string{
			"/v1/customers/cus_1": `{"id":"cus_1","email":"ada@example.com","name":"Ada Example"}`,
		}, "Bearer token", whoAndWhat, "subscription.started ada@example.com Ada"},
		{"paddle", "", "transaction.completed.json", map[string]string{
			"/customers/ctm_1": `{"data":{"id":"ctm_1","email":"ada@example.com","name":"Ada Example"}}`,
		}, "Bearer token", whoAndWhat, "order.paid ada@example.com Ada"},
		{"paypal", "", "PAYMENT.CAPTURE.COMPLETED.json", map[string]string{
			"/v1/oauth2/token": `{"access_token":"access","expires_in":3600}`, "/v2/checkout/orders/ORD1": paypalOrderJSON,
		}, "Bearer access", whoAndWhat, "order.paid ada@example.com Ada"},
		{"paypal", "", "PAYMENT.CAPTURE.REFUNDED.json", map[string]string{
			"/v1/oauth2/token": `{"access_token":"access","expires_in":3600}`, "/v2/checkout/orders/ORD1": paypalOrderJSON,
			"/v2/payments/captures/CAP1": `{"id":"CAP1","supplementary_data":{"related_ids":{"order_id":"ORD1"}}}`,
		}, "Bearer access", whoAndWhat, "order.refunded ada@example.com Ada 20.00 of "},
		{"paypal", "", "PAYMENT.SALE.COMPLETED.json", map[string]string{
			"/v1/oauth2/token": `{"access_token":"access","expires_in":3600}`, "/v1/billing/subscriptions/I-1": `{"subscriber":{"email_address":"ada@example.com","name":{"given_name":"Ada"}}}`,
		}, "Bearer access", whoAndWhat, "subscription.renewed ada@example.com Ada"},
		{"bigcommerce", "", "order.paid.json", map[string]string{
			"/v2/orders/250":          `{"id":250,"customer_id":0,"total_inc_tax":"59.90","currency_code":"EUR","billing_address":{"email":"ada@example.com","first_name":"Ada"}}`,
			"/v2/orders/250/products": `[{"sku":"HOODIE","name":"Hoodie","quantity":2,"price_inc_tax":"29.95","product_id":93}]`,
		}, "token", whoAndWhat, "order.paid ada@example.com Ada"},
		{"bigcommerce", "", "customer.created.json", map[string]string{
			"/v3/customers?id:in=32": `{"data":[{"id":32,"email":"ada@example.com","first_name":"Ada"}]}`,
		}, "token", whoAndWhat, "customer.created ada@example.com Ada"},
		{"adobe-events", "", "creditmemo.json", map[string]string{
			"/rest/V1/orders/31": `{"entity_id":31,"increment_id":"000000031","customer_email":"ada@example.com","customer_firstname":"Ada","grand_total":59.90,"order_currency_code":"EUR"}`,
		}, "Bearer token", whoAndWhat, "order.refunded ada@example.com Ada 20.0000 of 59.90"},
		{"cielo", "", "notification.json", map[string]string{
			"/1/sales/0d2ff85e-594c-47b9-ad27-bb645a103db4": `{"MerchantOrderId":"4711","Customer":{"Name":"Ada Example","Email":"ada@example.com"},"Payment":{"Status":2,"Amount":15700,"Currency":"BRL","CapturedDate":"2026-11-20 08:00:05"}}`,
		}, "secret", whoAndWhat, "order.paid ada@example.com Ada"},
		{"cielo", "", "notification.json", map[string]string{
			"/1/sales/0d2ff85e-594c-47b9-ad27-bb645a103db4": `{"MerchantOrderId":"4711","Customer":{"Name":"Ada Example","Email":"ada@example.com"},"Payment":{"Status":11,"Amount":15700,"VoidedAmount":5700,"Currency":"BRL"}}`,
		}, "secret", whoAndWhat, "order.refunded ada@example.com Ada 57.00 of 157.00"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.sample, func(t *testing.T) {
			a := newAPI(t, tt.answers)
			cfg := testConfig(t, tt.kind)
			cfg.Enrich = a.enrich()
			src := mustNew(t, cfg, testDeps())
			e := opened(t, src, tt.event, testdata(t, tt.kind+"/"+tt.sample))
			if e.Enrich == "" {
				t.Fatal("the event does not say that anything is missing")
			}
			if err := src.(Enricher).Enrich(context.Background(), &e); err != nil {
				t.Fatal(err)
			}
			if got := tt.check(&e); got != tt.want || e.Enrich != "" {
				t.Errorf("got %q, enrich %q; want %q", got, e.Enrich, tt.want)
			}
			if !slices.Contains(a.auth, tt.auth) {
				t.Errorf("credentials: %q", a.auth)
			}
			asked := len(a.asked)
			e.Enrich = opened(t, src, tt.event, testdata(t, tt.kind+"/"+tt.sample)).Enrich
			if err := src.(Enricher).Enrich(context.Background(), &e); err != nil || len(a.asked) != asked && tt.kind != "cielo" {
				t.Errorf("asked again within the memory: %v, %v", a.asked, err)
			}
		})
	}
}

func whoAndWhat(e *events.Event) string {
	out := e.Type
	if c := e.Data.Contact; c != nil {
		out += " " + c.Email + " " + c.FirstName
	}
	if r := e.Data.Refund; r != nil {
		out += " " + string(r.Amount) + " of " + string(e.Data.Order.Total)
		if r.Full {
			out += " full"
		}
	}
	return out
}

// One state of a payment is one fact, however often and however late it is announced.
func TestCieloStatesAreFacts(t *testing.T) {
	a := newAPI(t, map[string]string{"/1/sales/p1": `{"Customer":{"Email":"ada@example.com"},"Payment":{"Status":2,"Amount":100}}`})
	cfg := testConfig(t, "cielo")
	cfg.Enrich = a.enrich()
	seen := map[string]bool{}
	for _, at := range []time.Duration{0, 30 * time.Minute, 3 * time.Hour} {
		deps := testDeps()
		deps.Now = func() time.Time { return testNow.Add(at) }
		src := mustNew(t, cfg, deps)
		e := opened(t, src, "", []byte(`{"PaymentId":"p1","ChangeType":1}`))
		if err := src.(Enricher).Enrich(context.Background(), &e); err != nil {
			t.Fatal(err)
		}
		seen[e.ID] = true
	}
	if len(seen) != 1 {
		t.Errorf("ids: %v", seen)
	}
}

// Without credentials thin events go on as they are; a rule that needs the e-mail address will say so.
func TestThinEventsWithoutEnrich(t *testing.T) {
	for kind, path := range map[string]string{"woocommerce": "user_membership.created.json", "paddle": "transaction.completed.json", "paypal": "PAYMENT.CAPTURE.COMPLETED.json"} {
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

// Stripe announces the start of a subscription twice; without credentials the half without an e-mail waits for the other.
func TestStripeWaitsForTheInvoice(t *testing.T) {
	now := testNow
	deps := testDeps()
	deps.Now = func() time.Time { return now }
	src := mustNew(t, testConfig(t, "stripe"), deps)
	created := opened(t, src, "", testdata(t, "stripe/customer.subscription.created.json"))
	paid := opened(t, src, "", testdata(t, "stripe/invoice.paid.create.json"))
	session := opened(t, src, "", testdata(t, "stripe/checkout.session.subscription.json"))
	if created.ID != paid.ID || created.ID != session.ID {
		t.Errorf("one start has several ids: %s, %s, %s", created.ID, paid.ID, session.ID)
	}
	err := src.(Enricher).Enrich(context.Background(), &created)
	var later *Later
	if !errors.As(err, &later) || !later.At.Equal(testNow.Add(10*time.Minute)) {
		t.Errorf("not asked to wait: %v", err)
	}
	now = testNow.Add(11 * time.Minute)
	if err := src.(Enricher).Enrich(context.Background(), &created); err != nil || created.Enrich != "" {
		t.Errorf("no invoice came: %v", err)
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

func TestLookupErrors(t *testing.T) {
	body := testdata(t, "paddle/transaction.completed.json")
	for answer, wantLater := range map[string]bool{"429": true, "503": true, "not JSON": true, "401": false, "404": false} {
		a := newAPI(t, map[string]string{"/customers/ctm_1": answer})
		cfg := testConfig(t, "paddle")
		cfg.Enrich = a.enrich()
		src := mustNew(t, cfg, testDeps())
		e := opened(t, src, "", body)
		err := src.(Enricher).Enrich(context.Background(), &e)
		var later *Later
		if err == nil || errors.As(err, &later) != wantLater || e.Enrich == "" {
			t.Errorf("%s: %v", answer, err)
		}
		if answer == "429" && !later.At.Equal(testNow.Add(7*time.Second)) {
			t.Errorf("Retry-After: %v", later.At)
		}
	}
	cfg := testConfig(t, "paddle")
	closed := newAPI(t, nil)
	cfg.Enrich = closed.enrich()
	src := mustNew(t, cfg, testDeps())
	e := opened(t, src, "", body)
	closed.Close()
	var later *Later
	if err := src.(Enricher).Enrich(context.Background(), &e); !errors.As(err, &later) || strings.Contains(err.Error(), "token") {
		t.Errorf("no connection: %v", err)
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

func TestWooCommerceSweep(t *testing.T) {
	order := func(id, second int) string {
		return string(wooOrderJSON("4711", strconv.Itoa(id), "2026-11-20T11:00:05", time.Date(2026, 11, 20, 11, 0, second, 0, time.UTC).Format(wooTime)))
	}
	var first, last []string
	for i := range 100 {
		first = append(first, order(1000+i, i/2))
	}
	last = append(last, order(1099, 49), order(1200, 55))
	page := func(after string, n int) string {
		return fmt.Sprintf("/wp-json/wc/v3/orders?dates_are_gmt=true&modified_after=%s&order=asc&orderby=modified&page=%d&per_page=100", after, n)
	}
	a := newAPI(t, map[string]string{
		page("2026-11-20T10%3A59%3A59", 1): "[" + strings.Join(first, ",") + "]",
		page("2026-11-20T11%3A00%3A48", 1): "[" + strings.Join(last, ",") + "]",
	})
	cfg := testConfig(t, "woocommerce")
	cfg.Enrich, cfg.Sweep = a.enrich(), &Sweep{Every: 15 * time.Minute}
	src := mustNew(t, cfg, testDeps())
	found := map[string]int{}
	err := src.(Sweeper).Sweep(context.Background(), time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC), func(_ context.Context, page []events.Event) error {
		for _, e := range page {
			found[e.ID]++
			if e.Kind != "woocommerce" || !json.Valid(e.Data.Raw) {
				t.Errorf("%+v", e)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 2*101 || found["shop:order.paid:1099"] != 2 || found["shop:order.created:1200"] != 1 {
		t.Errorf("%d facts, %v", len(found), found["shop:order.paid:1099"])
	}
	stop := errors.New("enough")
	if err := src.(Sweeper).Sweep(context.Background(), time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC), func(context.Context, []events.Event) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if _, ok := mustNew(t, testConfig(t, "woocommerce"), testDeps()).(Sweeper); ok {
		t.Error("a source without sweep is a Sweeper")
	}
}

func TestEwaySweepAndReturn(t *testing.T) {
	a := newAPI(t, map[string]string{
		"/Search/Settlement": `{"SettlementTransactions":[
			{"TransactionID":11,"Amount":5990,"CurrencyCode":"AUD","TransactionType":"1","TransactionDateTime":"/Date(1795172400000)/"},
			{"TransactionID":12,"Amount":1000,"CurrencyCode":"AUD","TransactionType":"4","TransactionDateTime":"/Date(1795172460000)/"}]}`,
		"/Transaction/11":   `{"Transactions":[{"TransactionID":11,"TransactionStatus":true,"TotalAmount":5990,"InvoiceNumber":"4711","Customer":{"Email":"ada@example.com","FirstName":"Ada","Country":"au","City":"Testville"}}]}`,
		"/Transaction/12":   `{"Transactions":[{"TransactionID":12,"TransactionStatus":true,"TotalAmount":1000,"OriginalTransactionId":11,"Customer":{"Email":"ada@example.com","FirstName":"Ada"}}]}`,
		"/Transaction/CODE": `{"Transactions":[{"TransactionID":11,"TransactionStatus":true,"TotalAmount":5990,"Customer":{"Email":"ada@example.com"}}]}`,
	})
	cfg := testConfig(t, "eway")
	cfg.Enrich, cfg.Sweep = a.enrich(), &Sweep{Every: 15 * time.Minute}
	src := mustNew(t, cfg, testDeps())
	var found []events.Event
	err := src.(Sweeper).Sweep(context.Background(), testNow.Add(-time.Hour), func(_ context.Context, page []events.Event) error {
		found = append(found, page...)
		return nil
	})
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	for i := range found {
		if err := src.(Enricher).Enrich(context.Background(), &found[i]); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"shop:order.paid:11", "shop:order.refunded:12"}, ids(found)); diff != "" {
		t.Error(diff)
	}
	if got := whoAndWhat(&found[1]); got != "order.refunded ada@example.com Ada 10.00 of 10.00" || found[1].Data.Refund.OrderID != "11" {
		t.Error(got)
	}
	_, back, err := src.Open(context.Background(), Request{Method: http.MethodGet, RawQuery: "AccessCode=CODE", SubPath: testPathSecret})
	if err != nil {
		t.Fatal(err)
	}
	if err := src.(Enricher).Enrich(context.Background(), &back[0]); err != nil || back[0].ID != found[0].ID {
		t.Errorf("the same transaction by another way: %s, %v", back[0].ID, err)
	}
}

// Look-ups keep to their rate: a shop's own server is not run down.
func TestLookupRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := openLookup(&setup{cfg: &Config{Enrich: &Enrich{URL: "https://shop.example.com", PerSecond: 2}}, deps: &Deps{
			Now: time.Now, HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("{}"))}, nil
			})},
		}}, "")
		start := time.Now()
		for i := range 10 {
			if _, err := l.get(t.Context(), fmt.Sprint("/", i)); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("10 look-ups at 2 a second, the first two at once, took %s", took)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
