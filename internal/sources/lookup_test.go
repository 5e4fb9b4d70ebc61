package sources

import (
	"context"
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
	r := deliver(out)
	r.Received = time.Time{} // the source's own clock
	_, got, err := src.Open(context.Background(), r)
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
			"/v1/customers/cus_1": `{"id":"cus_1","email":"ada@example.com","name":"Ada Example"}`, "/v1/subscriptions/sub_1": `{"id":"sub_1"}`,
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
			"/v1/oauth2/token":              `{"access_token":"access","expires_in":3600}`,
			"/v1/billing/subscriptions/I-1": `{"subscriber":{"email_address":"ada@example.com","name":{"given_name":"Ada"}}}`,
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
		{"cielo", "", "checkout.json", map[string]string{
			"/api/public/v1/orders/799a0de8-89c3-5d17-c670-6b29d7f00175/1db9226aea8b54e6b2972e9b745b89c7": `{"order_number":"4711","checkout_cielo_order_number":"b9ab1956","amount":5990,"payment_status":2,"customer_name":"Ada Example","customer_email":"ada@example.com"}`,
		}, "secret", whoAndWhat, "order.paid ada@example.com Ada"},
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
