package ingress

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

// allocationBudget is for one WooCommerce order of 1.1 kB from the handler's first line to its answer: verified, parsed,
// made an event, answered. Writing it and net/http's own are not in it. Measured: 106; most of them are the parsed body.
const allocationBudget = 120

// free accepts everything and keeps nothing.
type free struct{}

func (free) Accept(_ context.Context, batch []events.Event) ([]bool, error) {
	return make([]bool, len(batch)), nil
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct {
	header http.Header
	status int
}

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) WriteHeader(status int)      { n.status = status }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

func TestAllocationBudget(t *testing.T) {
	const key = "a-secret-of-the-tests"
	shop, mistakes := sources.New("shop", "default", sources.Config{Kind: "woocommerce", Secret: sources.Secrets{secret.New(key)}}, sources.Deps{})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	h := New(Options{
		Intake: free{}, Observe: func(Seen) {}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Route: func(string, string) (Route, bool) { return Route{Source: shop, MaxBody: 1 << 20}, true },
	})
	now := time.Now().UTC().Format("2006-01-02T15:04:05")
	body := fmt.Appendf(nil, `{"id":17,"number":"17","status":"processing","currency":"EUR","total":"34.90","total_tax":"0.00","shipping_total":"4.90",
"discount_total":"0.00","date_created_gmt":%[1]q,"date_modified_gmt":%[1]q,"date_paid_gmt":%[1]q,"customer_id":7,
"billing":{"first_name":"Customer","last_name":"Seven","company":"","address_1":"Example Street 1","city":"Springfield","postcode":"12345","country":"DE","email":"customer7@example.com","phone":""},
"line_items":[{"id":1,"sku":"SKU-1","name":"Thing","product_id":100,"quantity":1,"price":30,"total":"30.00"}],"refunds":[],
"meta_data":[{"id":1,"key":"_note","value":%[2]q}]}`, now, strings.Repeat("x", 500))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	r := httptest.NewRequest(http.MethodPost, "/hooks/default/shop", nil)
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-WC-Webhook-Topic", "order.updated")
	r.Header.Set("X-WC-Webhook-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	w := &nowhere{header: http.Header{}}
	allocs := testing.AllocsPerRun(200, func() {
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(w, r)
	})
	if w.status != http.StatusAccepted {
		t.Fatalf("answered %d", w.status)
	}
	t.Logf("%.0f allocations for a body of %d bytes", allocs, len(body))
	if allocs > allocationBudget {
		t.Errorf("%.0f allocations, the budget is %d", allocs, allocationBudget)
	}
}
