package sources

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"bridge/internal/events"

	"github.com/google/go-cmp/cmp"
)

const ceOrder = `{"specversion":"1.0","id":"A-1","source":"/till/7","type":"order.paid","time":"2026-11-20T11:00:00Z",
	"data":{"contact":{"email":"ada@example.com"},"order":{"id":"9007199254740993","total":59.90,"currency":"EUR","items":[{"sku":"HOODIE","quantity":2,"price":"25.00"}]}}}`

func TestCloudEventModes(t *testing.T) {
	received := testNow
	structured, err := ParseCloudEvent("default", "crm", nil, []byte(ceOrder), received)
	if err != nil {
		t.Fatal(err)
	}
	e := structured[0]
	if e.ID != "A-1" || e.Type != "order.paid" || e.Account != "default" || e.Source != "crm" || e.Data.Order.Total != "59.90" || e.Data.Order.ID != "9007199254740993" {
		t.Errorf("%+v", e)
	}
	batch, err := ParseCloudEvent("default", "crm", map[string][]string{"content-type": {"application/cloudevents-batch+json"}}, []byte("["+ceOrder+","+ceOrder+"]"), received)
	if err != nil || len(batch) != 2 {
		t.Fatal(batch, err)
	}
	if diff := cmp.Diff(e, batch[1]); diff != "" {
		t.Error(diff)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal([]byte(ceOrder), &parts); err != nil {
		t.Fatal(err)
	}
	binary, err := ParseCloudEvent("default", "crm", map[string][]string{
		"ce-specversion": {"1.0"}, "ce-id": {"A-1"}, "Ce-Source": {"/till/7"}, "CE-TYPE": {`"order%2Epaid"`}, "ce-time": {"2026-11-20T11:00:00Z"},
		"content-type": {"application/json"},
	}, parts["data"], received)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, binary[0]); diff != "" {
		t.Error(diff)
	}
}

// What the bridge writes, the bridge reads.
func TestCloudEventRoundTrip(t *testing.T) {
	_, made, err := openWooSigned(t, "order.updated", wooOrderJSON())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(made[0])
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCloudEvent("default", "shop", nil, b, made[0].Received)
	if err != nil {
		t.Fatal(err)
	}
	again[0].Kind, again[0].Data.Raw, made[0].Data.Raw = made[0].Kind, nil, nil
	if diff := cmp.Diff(made[0], again[0]); diff != "" {
		t.Error(diff)
	}
}

func TestCloudEventsThatAreNone(t *testing.T) {
	tests := map[string]string{
		"not JSON":           `{`,
		"a list":             `[1]`,
		"specversion":        `{"id":"1","source":"s","type":"t"}`,
		"id is missing":      `{"specversion":"1.0","source":"s","type":"t"}`,
		"source is missing":  `{"specversion":"1.0","id":"1","type":"t"}`,
		"type is missing":    `{"specversion":"1.0","id":"1","source":"s"}`,
		"not a time":         `{"specversion":"1.0","id":"1","source":"s","type":"t","time":"yesterday"}`,
		"attribute updated":  `{"specversion":"1.0","id":"1","source":"s","type":"t","updated":"2026-01-01T00:00:00+24:00"}`,
		"data.order.paid_at": `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"order":{"paid_at":"2026-01-01T00:00:00+24:00"}}}`,
		"membership.ends_at": `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"contact":{"email":"a@example.com"},"membership":{"ends_at":"2026-01-01T00:00:00-24:00"}}}`,
		"another account":    `{"specversion":"1.0","id":"1","source":"s","type":"t","account":"other"}`,
		"priority":           `{"specversion":"1.0","id":"1","source":"s","type":"t","priority":"now"}`,
		"data.contact":       `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"contact":[]}}`,
		"data.contact.email": `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"contact":{"email":5}}}`,
		"decimal amount":     `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"order":{"total":"1,5"}}}`,
		"whole number":       `{"specversion":"1.0","id":"1","source":"s","type":"t","data":{"order":{"items":[{"quantity":"two"}]}}}`,
		"base64":             `{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"%"}`,
		"deeper":             `{"specversion":"1.0","id":"1","source":"s","type":"t","data":` + strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}`,
	}
	for want, body := range tests {
		if _, err := ParseCloudEvent("default", "crm", nil, []byte(body), testNow); err == nil || !strings.Contains(err.Error(), want) && want != "not JSON" && want != "a list" {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCloudEventKeepsWhatItDoesNotKnow(t *testing.T) {
	for body, raw := range map[string]string{
		`{"contact":{"email":"a@example.com"}}`:           ``,
		`{"contact":{"email":"a@example.com","shoe":41}}`: `{"contact":{"email":"a@example.com","shoe":41}}`,
		`{"shoe":41}`: `{"shoe":41}`,
		`[1,2]`:       `[1,2]`,
		`{"raw":{"x":1},"contact":{"email":"a@example.com"}}`: `{"x":1}`,
	} {
		got, err := ParseCloudEvent("default", "crm", nil, []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":`+body+`}`), testNow)
		if err != nil || string(got[0].Data.Raw) != raw {
			t.Errorf("%s: raw %s, %v", body, got[0].Data.Raw, err)
		}
	}
}

func TestCloudEventsOverHTTP(t *testing.T) {
	cfg := testConfig(t, "cloudevents")
	cfg.Rate = &Rate{PerSecond: 2}
	s := mustNew(t, cfg, testDeps())
	open := func(r Request) (Reply, []events.Event, error) { return s.Open(context.Background(), r) }

	bearer := http.Header{"Authorization": {"Bearer a-token-of-the-publisher"}}
	if _, got, err := open(Request{Header: bearer, Body: []byte(ceOrder)}); err != nil || got[0].Kind != "cloudevents" {
		t.Error(got, err)
	}
	if _, _, err := open(Request{RawQuery: "access_token=a-token-of-the-publisher", Body: []byte(ceOrder)}); err != nil {
		t.Error(err)
	}
	for _, r := range []Request{
		{Body: []byte(ceOrder)},
		{RawQuery: "access_token=", Body: []byte(ceOrder)},
		{Header: http.Header{"Authorization": {"Bearer a-token-of-the-publisheR"}}, Body: []byte(ceOrder)},
	} {
		if _, _, err := open(r); statusOf(err) != http.StatusUnauthorized {
			t.Error(err)
		}
	}
	handshake := Request{Method: http.MethodOptions, Header: http.Header{
		"Webhook-Request-Origin": {"eventemitter.example.com"}, "Webhook-Request-Callback": {"https://elsewhere.example.com/"},
	}}
	reply, _, err := open(handshake)
	if err != nil || reply.Header.Get("WebHook-Allowed-Origin") != "eventemitter.example.com" || reply.Header.Get("WebHook-Allowed-Rate") != "120" {
		t.Error(reply, err)
	}
	handshake.Header.Set("WebHook-Request-Origin", "evil\r\nSet-Cookie: x")
	if reply, _, _ := open(handshake); reply.Header.Get("WebHook-Allowed-Origin") != "" {
		t.Error("a header was injected")
	}
}
