package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// testNow is the time of day in tests; samples of our own are dated shortly before.
var testNow = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// dots is the smallest template language that can stand in for CEL: {{body.a.b}}, {{header.x}}, {{query.x}}, {{item.x}}.
type dots struct{}

func (dots) Compile(text string) (func(map[string]any) (string, error), error) {
	if strings.Count(text, "{{") != strings.Count(text, "}}") {
		return nil, errors.New("a {{ is not closed")
	}
	return func(vars map[string]any) (string, error) {
		var out strings.Builder
		for text := text; ; {
			before, rest, found := strings.Cut(text, "{{")
			out.WriteString(before)
			if !found {
				return out.String(), nil
			}
			path, after, _ := strings.Cut(rest, "}}")
			got := newTree(vars).at(strings.TrimSpace(path))
			if got.v == nil {
				return "", fmt.Errorf("no such field: %s", path)
			}
			out.WriteString(got.text())
			text = after
		}
	}, nil
}

func testDeps() Deps {
	return Deps{
		Now: func() time.Time { return testNow }, Remember: 90 * 24 * time.Hour, Template: dots{}, HTTP: http.DefaultClient,
		Rehearsal: testRehearsal(), Keap: hooksOf{},
	}
}

// testRehearsal is made once: RSA keys take time.
var testRehearsal = sync.OnceValue(func() *Rehearsal {
	r, err := NewRehearsal(testNow)
	if err != nil {
		panic(err)
	}
	return r
})

// hooksOf are dealings with Keap as a test sets them.
type hooksOf struct {
	pending bool
	ours    map[string]bool // by object id
}

func (h hooksOf) Pending(string, string) bool            { return h.pending }
func (h hooksOf) Ours(_, _, id string, _ time.Time) bool { return h.ours[id] }

func mustNew(t testing.TB, cfg Config, deps Deps) Source {
	t.Helper()
	s, mistakes := New("shop", "default", cfg, deps)
	if len(mistakes) > 0 {
		t.Fatalf("New: %v", mistakes)
	}
	return s
}

// testConfigs is a working configuration of every kind.
var testConfigs = map[string]Config{
	"woocommerce":    {Secret: secrets("wc_test_secret")},
	"cartflows":      {PathSecret: secret.New(testPathSecret)},
	"shopify":        {Secret: secrets("hush")},
	"paypal":         {WebhookID: "4JH86294D6297924G"},
	"paypal-ipn":     {Receivers: []string{"shop@example.com"}, PathSecret: secret.New(testPathSecret)},
	"stripe":         {Secret: secrets("webhook_secret")},
	"hotmart":        {Token: secrets("hottok_of_the_account")},
	"adobe-events":   {ClientID: "client-1"},
	"adobe-commerce": {Token: secrets("a-token-of-the-shop")},
	"mageplaza":      {Verify: &Verify{Basic: &Basic{User: "shop", Password: secret.New("a-password")}}},
	"cielo":          {Token: secrets("a-token-of-the-shop"), PathSecret: secret.New(testPathSecret)},
	"eway":           {PathSecret: secret.New(testPathSecret), Enrich: &Enrich{Key: secret.New("key"), Secret: secret.New("password")}},
	"thrivecart":     {Token: secrets("a-secret-word-of-the-account")},
	"samcart":        {PathSecret: secret.New(testPathSecret)},
	"clickfunnels":   {Secret: secrets("839d0d645bedefbaf76e3269d1b1141ef07683c179cc3bb0aee9348c90517a7")},
	"kajabi":         {PathSecret: secret.New(testPathSecret)},
	"bigcommerce":    {Token: secrets("a-token-of-the-shop")},
	"paddle":         {Secret: secrets("pdl_ntfset_test")},
	"memberpress":    {Token: secrets("a-key-of-the-site")},
	"membermouse":    {PathSecret: secret.New(testPathSecret)},
	"wp-webhooks":    {Secret: secrets("wp_test_secret")},
	"gravityforms":   {Token: secrets("a-token-of-the-site"), Fields: nil},
	"pmpro":          {PathSecret: secret.New(testPathSecret)},
	"learndash":      {Verify: &Verify{Bearer: secrets("a-token-of-the-site")}},
	"plusthis":       {Verify: &Verify{Token: &Token{Field: "key", Value: secrets("a-token-in-a-field")}}},
	"standard":       {Secret: secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
	"svix":           {Secret: secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
	"cloudevents":    {Token: secrets("a-token-of-the-publisher")},
	"nats":           {Token: secrets("a-token-of-the-publisher")},
	"generic": {
		Verify: &Verify{HMAC: &HMAC{Header: "X-Signature", Secret: secrets("s3cr3t"), Signed: "{timestamp}.{body}", Timestamp: "X-Timestamp"}},
		Event: &Template{
			Type: "lead.submitted", ID: "{{body.entry_id}}",
			Contact: map[string]any{"email": "{{body.email}}", "first_name": "{{body.first}}", "fields": map[string]any{"Colour": "{{body.colour}}"}},
		},
	},
	"keap": {PathSecret: secret.New(testPathSecret)},
}

const testPathSecret = "0123456789abcdefXY"

func secrets(texts ...string) Secrets {
	var out Secrets
	for _, t := range texts {
		out = append(out, secret.New(t))
	}
	return out
}

func testConfig(t testing.TB, kind string) Config {
	t.Helper()
	cfg, ok := testConfigs[kind]
	if !ok {
		t.Fatalf("no test configuration for kind %s", kind)
	}
	cfg.Kind = kind
	return cfg
}

// sample is a payload with the headers that came with it.
type sample struct {
	kind, name string
	header     http.Header
	body       []byte
}

// samplesIn reads a folder of payloads: name.json, name.form, name.query, name.xml, each perhaps with name.headers.json.
func samplesIn(t testing.TB, dir, kind string) []sample {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for _, f := range files {
		base, ext := strings.TrimSuffix(f.Name(), filepath.Ext(f.Name())), filepath.Ext(f.Name())
		if strings.HasSuffix(base, ".headers") || strings.HasSuffix(base, ".golden") || !slices.Contains([]string{".json", ".form", ".query", ".xml"}, ext) {
			continue
		}
		body, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		s := sample{kind: kind, name: f.Name(), header: http.Header{}, body: body}
		if h, err := os.ReadFile(filepath.Join(dir, base+".headers.json")); err == nil {
			s.header = headersOf(t, h)
		}
		out = append(out, s)
	}
	return out
}

func headersOf(t testing.TB, b []byte) http.Header {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for name, value := range m {
		if !strings.EqualFold(name, "content-length") && !strings.EqualFold(name, "accept-encoding") {
			h.Set(name, value)
		}
	}
	return h
}

func types(list []events.Event) []string {
	out := []string{}
	for i := range list {
		out = append(out, list[i].Type)
	}
	return out
}

// deliver makes the request that Sign describes.
func deliver(out Signed) Request {
	return Request{Method: out.Method, Header: out.Header.Clone(), RawQuery: out.Query, SubPath: out.SubPath, Body: out.Body, Received: testNow}
}

func statusOf(err error) int {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Status
	}
	return 0
}
