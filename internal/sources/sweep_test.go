package sources

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"

	"github.com/google/go-cmp/cmp"
)

func TestWooCommerceSweep(t *testing.T) {
	order := func(id, second int) string {
		return string(wooOrderJSON("4711", strconv.Itoa(id), "2026-11-20T11:00:05", time.Date(2026, 11, 20, 11, 0, second, 0, time.UTC).Format(sweepTime)))
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
		strings.Replace(page("2026-11-20T10%3A59%3A59", 1), "orders", "subscriptions", 1): `[
			{"id":31,"status":"active","date_modified_gmt":"2026-11-20T11:00:30","start_date_gmt":"2026-11-20T11:00:30","billing":{"email":"ada@example.com"}},
			{"id":32,"status":"on-hold","date_modified_gmt":"2026-11-20T11:00:30","billing":{"email":"ada@example.com"}}]`,
		"/wp-json/wc/v3/customers?order=desc&orderby=registered_date&page=1&per_page=100": `[
			{"id":8,"email":"new@example.com","date_created_gmt":"2026-11-20T11:00:10"},
			{"id":7,"email":"old@example.com","date_created_gmt":"2026-11-20T10:00:10"}]`,
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
	if len(found) != 2*101+2 || found["shop:subscription.started:31"] != 1 || found["shop:customer.created:8"] != 1 || found["shop:order.paid:1099"] != 2 || found["shop:order.created:1200"] != 1 {
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

// A shop without the extension has no subscriptions to ask for.
func TestWooCommerceSweepWithoutSubscriptions(t *testing.T) {
	a := newAPI(t, map[string]string{"/wp-json/wc/v3/orders": "[]", "/wp-json/wc/v3/customers": "[]"})
	cfg := testConfig(t, "woocommerce")
	cfg.Enrich, cfg.Sweep = a.enrich(), &Sweep{Every: 15 * time.Minute}
	if err := mustNew(t, cfg, testDeps()).(Sweeper).Sweep(context.Background(), testNow, func(context.Context, []events.Event) error { return nil }); err != nil || len(a.asked) != 3 {
		t.Error(a.asked, err)
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
