package sources

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// handshakes are the requests that are no deliveries, and their exact answers.
func TestHandshakes(t *testing.T) {
	pending := testDeps()
	pending.Keap = hooksOf{pending: true}
	classic := Config{Kind: "clickfunnels", PathSecret: secret.New(testPathSecret)}
	tests := []struct {
		name   string
		cfg    Config
		deps   Deps
		r      Request
		status int // of the answer, or of the refusal
		body   string
		header string
	}{
		{"Adobe's challenge", testConfig(t, "adobe-events"), testDeps(), Request{Method: "GET", RawQuery: "challenge=8ec8d794-0000-4000-8000-000000000000"}, 200, "8ec8d794-0000-4000-8000-000000000000", ""},
		{"a challenge that is no challenge", testConfig(t, "adobe-events"), testDeps(), Request{Method: "GET", RawQuery: "challenge=%3Cscript%3E"}, 400, "", ""},
		{"Adobe's validation address", testConfig(t, "adobe-events"), testDeps(), Request{Body: []byte(`{"validationUrl":"https://csm.adobe.io/csm/registrations/validate?id=1"}`)}, 200, "", ""},
		{"ThriveCart's HEAD", testConfig(t, "thrivecart"), testDeps(), Request{Method: "HEAD"}, 200, "", ""},
		{"ThriveCart's POST that says nothing", testConfig(t, "thrivecart"), testDeps(), Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, 200, "", ""},
		{"a POST without the secret word", testConfig(t, "thrivecart"), testDeps(), Request{Body: []byte("event=order.success")}, 401, "", ""},
		{"ThriveCart's GET", testConfig(t, "thrivecart"), testDeps(), Request{Method: "GET"}, 405, "", ""},
		{"ClickFunnels Classic's test", classic, testDeps(), Request{SubPath: testPathSecret + "/funnel_webhooks/test", Body: []byte(`{"time":"now"}`)}, 200, "", ""},
		{"the same without the secret", classic, testDeps(), Request{SubPath: "funnel_webhooks/test", Body: []byte(`{"time":"now"}`)}, 401, "", ""},
		{"Keap's handshake", testConfig(t, "keap"), pending, Request{SubPath: testPathSecret, Header: http.Header{"X-Hook-Secret": {"abc"}}}, 200, "", "abc"},
		{"Keap's handshake, header injection", testConfig(t, "keap"), pending, Request{SubPath: testPathSecret, Header: http.Header{"X-Hook-Secret": {"a\r\nb"}}}, 401, "", ""},
		{"Keap's handshake at the wrong address", testConfig(t, "keap"), pending, Request{Header: http.Header{"X-Hook-Secret": {"abc"}}}, 401, "", ""},
		{"Keap's handshake that nobody waits for", testConfig(t, "keap"), testDeps(), Request{SubPath: testPathSecret, Header: http.Header{"X-Hook-Secret": {"abc"}}}, 401, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, got, err := mustNew(t, tt.cfg, tt.deps).Open(context.Background(), tt.r)
			if status := statusOf(err); err != nil && status != tt.status || err == nil && reply.Status != tt.status || len(got) != 0 {
				t.Fatalf("%+v, %v, %v", reply, got, err)
			}
			if string(reply.Body) != tt.body || reply.Header.Get("X-Hook-Secret") != tt.header || err == nil && reply.Ignored != events.Ignored {
				t.Errorf("%+v", reply)
			}
		})
	}
}

// Adobe's validation address is shown to people only where it is Adobe's.
func TestAdobeValidationAddress(t *testing.T) {
	for address, shown := range map[string]bool{
		"https://csm.adobe.io/validate?id=1": true, "https://csm.adobe.io.example.com/": false,
		"http://csm.adobe.io/": false, "https://10.0.0.1/": false,
	} {
		reply, _, err := mustNew(t, testConfig(t, "adobe-events"), testDeps()).Open(context.Background(), Request{Body: fmt.Appendf(nil, `{"validationUrl":%q}`, address)})
		if err != nil || strings.Contains(reply.Why, address) != shown {
			t.Errorf("%s: %q, %v", address, reply.Why, err)
		}
	}
}

// The answers that senders demand of deliveries.
func TestAnswers(t *testing.T) {
	for kind, want := range map[string]struct {
		status int
		body   string
	}{
		"adobe-commerce": {200, `{"op":"success"}`}, "cielo": {200, ""}, "hotmart": {200, ""}, "keap": {200, ""},
		"plusthis": {200, ""}, "paypal-ipn": {200, ""},
		"shopify": {0, ""}, "woocommerce": {0, ""}, "stripe": {0, ""},
	} {
		src := mustNew(t, testConfig(t, kind), testDeps())
		for _, s := range samplesIn(t, "testdata/"+kind, kind) {
			if unsigned(&s) {
				continue
			}
			reply, _, err := src.Open(context.Background(), signed(t, src, &s))
			if err != nil || reply.Status != want.status || string(reply.Body) != want.body {
				t.Errorf("%s %s: %+v, %v", kind, s.name, reply, err)
			}
		}
	}
}

func TestKeapBatchesAndOwnWrites(t *testing.T) {
	var objects []string
	ours := map[string]bool{}
	for i := range 1000 {
		objects = append(objects, fmt.Sprintf(`{"id":%d,"timestamp":"2026-11-20T11:00:05.000Z"}`, i))
		ours[fmt.Sprint(i)] = i%2 == 0
	}
	body := func(list []string) []byte {
		return []byte(`{"event_key":"contactGroup.applied","object_type":"contactGroup","object_keys":[` + strings.Join(list, ",") + `]}`)
	}
	deps := testDeps()
	deps.Keap = hooksOf{ours: ours}
	src := mustNew(t, testConfig(t, "keap"), deps)
	open := func(b []byte) (Reply, []events.Event, error) {
		return src.Open(context.Background(), Request{SubPath: testPathSecret, Body: b})
	}
	reply, got, err := open(body(objects))
	if err != nil || len(got) != 500 || reply.Status != 200 {
		t.Fatal(len(got), reply, err)
	}
	if got[0].ID != "shop:keap.contactGroup.applied:1:2026-11-20T11:00:05.000Z" || got[0].Type != "keap.contactGroup.applied" || strings.Contains(string(got[0].Data.Raw), `"id":3`) {
		t.Errorf("%+v %s", got[0], got[0].Data.Raw)
	}
	reply, got, err = open(body(objects[:1]))
	if err != nil || len(got) != 0 || reply.Ignored != events.Ignored {
		t.Error("our own write:", reply, got, err)
	}
	if _, _, err := open(body(append(objects, objects[1]))); statusOf(err) != http.StatusBadRequest {
		t.Error("1,001 objects:", err)
	}
}

func TestAllowedAddresses(t *testing.T) {
	cfg := testConfig(t, "kajabi")
	cfg.AllowIPs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	src := mustNew(t, cfg, testDeps())
	for address, allowed := range map[string]bool{
		"203.0.113.9": true, "::ffff:203.0.113.9": true, "2001:db8::1": true, "203.0.114.1": false, "::1": false, "": false,
	} {
		remote, _ := netip.ParseAddr(address)
		_, _, err := src.Open(context.Background(), Request{SubPath: testPathSecret, Remote: remote, Body: testdata(t, "kajabi/ui.form.json")})
		if allowed != (err == nil) || !allowed && statusOf(err) != http.StatusForbidden {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestMethodsAndEncodings(t *testing.T) {
	for _, k := range Kinds() {
		src := mustNew(t, testConfig(t, k.Name), testDeps())
		if methods := src.(Methods).Methods(); len(methods) == 0 {
			t.Errorf("%s has no methods", k.Name)
		}
		if _, _, err := src.Open(context.Background(), Request{Method: "TRACE"}); statusOf(err) != http.StatusMethodNotAllowed {
			t.Errorf("%s: %v", k.Name, err)
		}
		r := Request{SubPath: testConfig(t, k.Name).PathSecret.Reveal(), Header: http.Header{"Content-Encoding": {"gzip"}}, Body: []byte("\x1f\x8b")}
		if _, _, err := src.Open(context.Background(), r); statusOf(err) != http.StatusUnsupportedMediaType {
			t.Errorf("%s, compressed: %v", k.Name, err)
		}
		r.Header = http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}
		if _, _, err := src.Open(context.Background(), r); statusOf(err) != http.StatusUnsupportedMediaType {
			t.Errorf("%s, multipart: %v", k.Name, err)
		}
		r.Header = http.Header{"Content-Type": {"Image/PNG"}}
		if _, _, err := src.Open(context.Background(), r); statusOf(err) != http.StatusUnsupportedMediaType {
			t.Errorf("%s, a picture: %v", k.Name, err)
		}
	}
}

func TestRefusalsShowNothingInside(t *testing.T) {
	src := mustNew(t, testConfig(t, "woocommerce"), testDeps())
	_, _, err := src.Open(context.Background(), Request{Body: []byte(`{"id":1}`), Header: http.Header{"X-Wc-Webhook-Signature": {"AAAA"}}})
	refusal, ok := err.(*Refusal)
	if !ok || refusal.Public != "not authentic" || refusal.Hint != "" || refusal.Cause == nil {
		t.Errorf("%+v", err)
	}
	Dummy(Request{Body: []byte("x")})
}
