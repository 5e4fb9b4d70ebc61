package sources

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime/metrics"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// bounded runs f and fails when it takes more memory than an input of n bytes may cost.
func bounded(t *testing.T, n int, f func()) {
	t.Helper()
	taken := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(taken)
	before := taken[0].Value.Uint64()
	f()
	metrics.Read(taken)
	if used, most := taken[0].Value.Uint64()-before, uint64(2*maxRaw+2048*n); used > most {
		t.Fatalf("%d bytes took %d bytes of memory; %d are allowed", n, used, most)
	}
}

// sound checks what holds for every event, whatever was sent.
func sound(t *testing.T, src Source, r Request) {
	t.Helper()
	var got []events.Event
	var err error
	bounded(t, len(r.Body)+len(r.RawQuery), func() { _, got, err = src.Open(context.Background(), r) })
	if err != nil {
		return
	}
	if len(got) > maxFacts && got[0].Kind != "cloudevents" && got[0].Kind != "nats" {
		t.Fatalf("%d events from one delivery", len(got))
	}
	_, again, err := src.Open(context.Background(), r)
	if err != nil || len(again) != len(got) {
		t.Fatalf("the same delivery again: %d events, then %d, %v", len(got), len(again), err)
	}
	for i, e := range got {
		if e.ID == "" || e.Type == "" || e.ID != again[i].ID {
			t.Fatalf("id %q, then %q, type %q", e.ID, again[i].ID, e.Type)
		}
		if e.Kind != "nats" && e.Kind != "cloudevents" && strings.IndexFunc(e.ID, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
			t.Fatalf("id %q", e.ID)
		}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("cannot be stored: %v", err)
		}
		if !utf8.Valid(b) {
			t.Fatal("not UTF-8")
		}
	}
}

// FuzzRead gives every kind authentic bodies of any content.
func FuzzRead(f *testing.F) {
	for _, s := range allSamples(f) {
		f.Add(s.kind, s.header.Get("X-Wc-Webhook-Topic")+s.header.Get("X-Shopify-Topic"), s.body)
	}
	sources := map[string]Source{}
	for _, k := range Kinds() {
		cfg := testConfig(f, k.Name)
		// The address proves every kind here, so that all bodies get through to be read.
		cfg.PathSecret = secret.New(testPathSecret)
		sources[k.Name] = mustNew(f, cfg, testDeps())
	}
	f.Fuzz(func(t *testing.T, kind, topic string, body []byte) {
		src, ok := sources[kind]
		if !ok || len(body) > 1<<16 {
			t.Skip()
		}
		out, err := src.(Signer).Sign(topic, body)
		if err != nil {
			t.Skip() // no field can be set in this body
		}
		sound(t, src, deliver(out))
	})
}

// changed is cfg with secrets that nothing in the corpus was signed with. Without it a fuzzer that starts from good
// signatures finds them again and is right to.
func changed(cfg Config) Config {
	other := func(texts Secrets, to string) Secrets {
		if len(texts) == 0 {
			return nil
		}
		return secrets(to)
	}
	cfg.Secret = other(cfg.Secret, "whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg==")
	cfg.Token = other(cfg.Token, "another-token")
	if !cfg.PathSecret.Empty() {
		cfg.PathSecret = secret.New("another-path-secret")
	}
	if cfg.Verify != nil {
		v := *cfg.Verify
		v.Bearer = other(v.Bearer, "another-token")
		if v.Basic != nil {
			v.Basic = &Basic{User: v.Basic.User, Password: secret.New("another-password")}
		}
		if v.Token != nil {
			v.Token = &Token{Field: v.Token.Field, Header: v.Token.Header, Value: secrets("another-token")}
		}
		if v.HMAC != nil {
			hmac := *v.HMAC
			hmac.Secret = secrets("another-secret")
			v.HMAC = &hmac
		}
		cfg.Verify = &v
	}
	return cfg
}

// FuzzVerify looks for headers that let a body in which nobody signed for this source.
func FuzzVerify(f *testing.F) {
	for _, s := range allSamples(f) {
		src := mustNew(f, testConfig(f, s.kind), testDeps())
		r := signed(f, src, &s)
		for name, values := range r.Header {
			f.Add(s.kind, name, values[0], r.RawQuery, s.body)
		}
	}
	doors := map[string]Source{}
	for _, k := range Kinds() {
		doors[k.Name] = mustNew(f, changed(testConfig(f, k.Name)), testDeps())
	}
	f.Fuzz(func(t *testing.T, kind, header, value, query string, body []byte) {
		src, ok := doors[kind]
		if !ok || len(body) > 1<<16 || len(value) > 1<<12 {
			t.Skip()
		}
		for _, known := range []string{"another-token", "another-password", "c2hvcDphbm90aGVyLXBhc3N3b3Jk", "another-path-secret"} {
			if strings.Contains(value+query+string(body), known) {
				t.Skip() // whoever knows the secret may come in
			}
		}
		h := http.Header{}
		h.Set(header, value)
		var got []events.Event
		var err error
		bounded(t, len(value)+len(query)+len(body), func() {
			_, got, err = src.Open(context.Background(), Request{Header: h, RawQuery: query, Body: body})
		})
		if err == nil && len(got) > 0 {
			t.Fatalf("%s let %d events in with %s: %s", kind, len(got), header, value)
		}
	})
}

// FuzzDecode reads anything as JSON, form or XML, in any charset.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"\u0000"}`), "application/json")
	f.Add([]byte("a[b][]=1&a[b][]=2&charset=windows-1252&x=%E9"), "application/x-www-form-urlencoded; charset=iso-8859-1")
	f.Add([]byte("<a><b>1</b><b>2</b><c x='1'>&amp;</c></a>"), "text/xml")
	f.Add([]byte(`{"t":1e999999999,"d":"2026-11-20","m":"-5.00"}`), "")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		if len(body) > 1<<16 {
			t.Skip()
		}
		var v any
		var err error
		bounded(t, len(body), func() { v, _, err = decode(body, contentType) })
		if err != nil {
			return
		}
		if _, err := json.Marshal(v); err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		root := newTree(v)
		for _, path := range []string{"a.b|c", "a.0", "t", "d", "m", ""} {
			at := root.at(path)
			at.money()
			at.minor("KWD")
			at.list()
			at.int()
			if when := at.time(); !when.IsZero() && (when.Year() < 1970 || when.Year() > 9999) {
				t.Fatalf("%s is no time", when)
			}
			if strings.ContainsRune(at.text(), 0) {
				t.Fatal("a NUL byte in a text")
			}
		}
	})
}

// FuzzCloudEvent reads anything as a message of a publisher.
func FuzzCloudEvent(f *testing.F) {
	f.Add("application/cloudevents+json", "", []byte(ceOrder))
	f.Add("application/cloudevents-batch+json", "", []byte("["+ceOrder+"]"))
	f.Add("application/json", "A-1", []byte(`{"contact":{"email":"ada@example.com"},"more":1}`))
	f.Add("text/plain", "A%20-%201", []byte("hello"))
	f.Add("application/cloudevents+json", "", []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-01T00:00:00+24:00"}`))
	f.Fuzz(func(t *testing.T, contentType, id string, body []byte) {
		if len(body) > 1<<16 {
			t.Skip()
		}
		h := map[string][]string{"content-type": {contentType}}
		if id != "" {
			h["ce-id"], h["ce-specversion"], h["ce-source"], h["ce-type"] = []string{id}, []string{"1.0"}, []string{"/x"}, []string{"t"}
		}
		var got []events.Event
		var err error
		bounded(t, len(body), func() { got, err = ParseCloudEvent("default", "crm", h, body, testNow) })
		if err != nil {
			return
		}
		for _, e := range got {
			if e.ID == "" || e.Type == "" || e.Account != "default" || e.Source != "crm" {
				t.Fatalf("%+v", e)
			}
			b, err := json.Marshal(e)
			if err != nil {
				t.Fatalf("cannot be stored: %v", err)
			}
			again, err := ParseCloudEvent("default", "crm", nil, b, testNow)
			if err != nil || again[0].ID != e.ID || again[0].Data.Order != nil && e.Data.Order != nil && again[0].Data.Order.Total != e.Data.Order.Total {
				t.Fatalf("what was written cannot be read: %v\n%s", err, b)
			}
		}
	})
}

// FuzzSignatureHeaders reads signature headers of the schemes that pack several things into one.
func FuzzSignatureHeaders(f *testing.F) {
	f.Add("t=1795176000,v1=00ff,v1=zz,v0=1", "v1,AAAA v1a,BBBB v2,x bare", "1795176000")
	f.Add("ts=1795176000;h1=00ff;h1=zz", "v1,"+strings.Repeat("A", 43)+"= v1a,"+strings.Repeat("A", 86)+"==", "1795176000")
	f.Add(strings.Repeat("t=1,v1=00,", 100), strings.Repeat("v1,AAAA ", 100), "-9223372036854775808")
	doors := map[string]Source{}
	for _, kind := range []string{"stripe", "paddle", "standard", "svix", "clickfunnels", "paypal", "adobe-events"} {
		doors[kind] = mustNew(f, testConfig(f, kind), testDeps())
	}
	f.Fuzz(func(t *testing.T, list, signatures, timestamp string) {
		if len(list)+len(signatures)+len(timestamp) > 1<<16 {
			t.Skip()
		}
		h := http.Header{}
		for _, name := range []string{"Stripe-Signature", "Paddle-Signature"} {
			h.Set(name, list)
		}
		for _, prefix := range []string{"Webhook-", "Svix-"} {
			h.Set(prefix+"Id", "x")
			h.Set(prefix+"Timestamp", timestamp)
			h.Set(prefix+"Signature", signatures)
		}
		h.Set("X-Webhook-Clickfunnels-Timestamp", timestamp)
		for _, name := range []string{"X-Webhook-Clickfunnels-Signature", "Paypal-Transmission-Sig", "X-Adobe-Digital-Signature-1"} {
			h.Set(name, signatures)
		}
		h.Set("Paypal-Auth-Algo", "SHA256withRSA")
		h.Set("Paypal-Cert-Url", "https://"+paypalHosts[0]+paypalCertPath+rehearsalPath)
		h.Set("X-Adobe-Public-Key1-Path", adobeKeyPath+rehearsalPath)
		for kind, src := range doors {
			bounded(t, len(list)+len(signatures)+len(timestamp), func() {
				if _, _, err := src.Open(context.Background(), Request{Header: h, Body: []byte(`{}`), Received: time.Time{}}); statusOf(err) != http.StatusUnauthorized {
					t.Fatalf("%s let it in: %v", kind, err)
				}
			})
		}
	})
}
