package sources

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"bridge/internal/events"

	"github.com/google/go-cmp/cmp"
)

// What a sweep finds has the ids that the webhooks gave, so that it is recognised.
func TestSweepsFindWhatWebhooksSaid(t *testing.T) {
	for _, tt := range []struct {
		kind, sample, inner string // where the thing itself stands in the webhook
		path, before, after string // of the list that the sweep asks for
	}{
		{"mageplaza", "order.json", "order", "/rest/V1/orders", `{"total_count": 1, "items": [`, "]}"},
		{"adobe-commerce", "order_place.json", "data.order", "/rest/V1/orders", `{"total_count": 1, "items": [`, "]}"},
		{"adobe-events", "order.new.json", "data.value", "/rest/V1/orders", `{"total_count": 1, "items": [`, "]}"},
		{"gravityforms", "entry.json", "", "/wp-json/gf/v2/entries", `{"total_count": "1", "entries": [`, "]}"},
	} {
		body, err := decodeJSON(testdata(t, tt.kind+"/"+tt.sample))
		if err != nil {
			t.Fatal(err)
		}
		if tt.inner != "" {
			body = newTree(body).at(tt.inner).v
		}
		thing, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		a := newAPI(t, map[string]string{tt.path: tt.before + string(thing) + tt.after})
		cfg := testConfig(t, tt.kind)
		cfg.Enrich, cfg.Sweep = a.enrich(), &Sweep{Every: 15 * time.Minute}
		src := mustNew(t, cfg, testDeps())
		_, told, err := Parse("shop", "default", cfg, testDeps(), Request{Header: http.Header{}, Body: testdata(t, tt.kind+"/"+tt.sample), Received: testNow})
		if err != nil {
			t.Fatal(err)
		}
		var found []events.Event
		err = src.(Sweeper).Sweep(context.Background(), testNow.Add(-2*time.Hour), func(_ context.Context, page []events.Event) error {
			found = append(found, page...)
			return nil
		})
		if diff := cmp.Diff(ids(told), ids(found)); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tt.kind, err, diff)
		}
		for i := range found {
			if found[i].Data.Contact == nil || found[i].Data.Contact.Email != "ada@example.com" || len(found[i].Data.Raw) == 0 {
				t.Errorf("%s: %+v", tt.kind, found[i])
			}
		}
	}
}

// A credit memo that never arrived is found, and one that did is recognised; whose it was is asked for.
func TestMagentoCreditMemosAreSwept(t *testing.T) {
	v, err := decodeJSON(testdata(t, "adobe-events/creditmemo.json"))
	if err != nil {
		t.Fatal(err)
	}
	memo, err := json.Marshal(newTree(v).at("data.value").v)
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, map[string]string{
		"/rest/V1/orders":      `{"total_count": 0, "items": []}`,
		"/rest/V1/creditmemos": `{"total_count": 1, "items": [` + string(memo) + `]}`,
		"/rest/V1/orders/31":   `{"entity_id":31,"customer_email":"ada@example.com","grand_total":59.90,"order_currency_code":"EUR"}`,
	})
	cfg := testConfig(t, "adobe-events")
	cfg.Enrich, cfg.Sweep = a.enrich(), &Sweep{Every: 15 * time.Minute}
	src := mustNew(t, cfg, testDeps())
	told := opened(t, src, "", testdata(t, "adobe-events/creditmemo.json"))
	var found []events.Event
	err = src.(Sweeper).Sweep(context.Background(), testNow.Add(-2*time.Hour), func(_ context.Context, page []events.Event) error {
		found = append(found, page...)
		return nil
	})
	if err != nil || len(found) != 1 || found[0].ID != told.ID || !found[0].Time.Equal(told.Time) || found[0].Data.Refund.Amount != told.Data.Refund.Amount {
		t.Fatalf("%+v, %v; the webhook said %+v", found, err, told)
	}
	if err := src.(Enricher).Enrich(context.Background(), &found[0]); err != nil || found[0].Data.Contact.Email != "ada@example.com" {
		t.Errorf("%+v, %v", found[0].Data.Contact, err)
	}
}

func TestSweepWithoutCredentials(t *testing.T) {
	for _, k := range Kinds() {
		cfg := testConfig(t, k.Name)
		cfg.Enrich, cfg.Sweep = nil, &Sweep{Every: 15 * time.Minute}
		if _, mistakes := New("shop", "default", cfg, testDeps()); len(mistakes) == 0 {
			t.Errorf("%s is swept without credentials", k.Name)
		}
		if cfg.Enrich = (&api{Server: &httptest.Server{URL: "https://shop.example.com"}}).enrich(); k.Sweeps != "" {
			if _, ok := mustNew(t, cfg, testDeps()).(Sweeper); !ok {
				t.Errorf("%s is not swept", k.Name)
			}
		} else if _, mistakes := New("shop", "default", cfg, testDeps()); len(mistakes) == 0 {
			t.Errorf("%s takes a sweep, and the documentation does not say so", k.Name)
		}
	}
}
