package sources

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/internal/secret"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

func TestConfigFromYAML(t *testing.T) {
	const text = `
kind: generic
secret: [one, two]
token: single
path_secret: 0123456789abcdefXY
allow_ips: [203.0.113.0/24]
rate: {per_second: 2.5, burst: 10}
silent_after: 24h
max_body: 2MiB
verify: {hmac: {header: X-Signature, algorithm: sha256, encoding: hex, secret: s3cr3t, tolerance: 5m}}
event: {type: lead.submitted, id: "{{body.entry_id}}", contact: {email: "{{body.email}}", address: {city: "{{body.city}}"}}}
fields: {email: "2"}
enrich: {url: "https://shop.example.com", key: k, secret: s}
sweep: {every: 15m}
`
	var cfg Config
	if err := yaml.UnmarshalWithOptions([]byte(text), &cfg, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Secret) != 2 || cfg.Secret[1].Reveal() != "two" || cfg.Token[0].Reveal() != "single" || cfg.MaxBody != 2<<20 || cfg.SilentAfter != 24*time.Hour ||
		cfg.AllowIPs[0].String() != "203.0.113.0/24" || cfg.Verify.HMAC.Secret[0].Reveal() != "s3cr3t" || cfg.Sweep.Every != 15*time.Minute || cfg.Rate.PerSecond != 2.5 {
		t.Errorf("%+v", cfg)
	}
	if shown := fmt.Sprintf("%+v %v", cfg, cfg.Verify.HMAC); strings.Contains(shown, "s3cr3t") || strings.Contains(shown, "two") {
		t.Error("a secret is shown:", shown)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"65536": 65536, "64KiB": 65536, "1MiB": 1 << 20, "1 MiB": 1 << 20, "0": 0, "-1": 0, "1GB": 0, "": 0, "9223372036854775807MiB": 0} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); s != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", text, s, err)
		}
	}
}

// Every mistake at once, at its place.
func TestMistakes(t *testing.T) {
	tests := []struct {
		name  string
		cfg   Config
		paths []string
	}{
		{"unknown kind", Config{Kind: "woo"}, []string{"kind"}},
		{"a family", Config{Kind: "magento"}, []string{"kind"}},
		{"no secret", Config{Kind: "woocommerce"}, []string{"secret"}},
		{"empty secret", Config{Kind: "shopify", Secret: secrets("good", "")}, []string{"secret"}},
		{"no token", Config{Kind: "hotmart"}, []string{"token"}},
		{"no webhook id", Config{Kind: "paypal"}, []string{"webhook_id"}},
		{"no client id", Config{Kind: "adobe-events"}, []string{"client_id"}},
		{"no receivers", Config{Kind: "paypal-ipn"}, []string{"receivers"}},
		{"no authentication at all", Config{Kind: "kajabi"}, []string{"path_secret"}},
		{"a short path secret", Config{Kind: "kajabi", PathSecret: secret.New("short")}, []string{"path_secret"}},
		{"a path secret with a slash", Config{Kind: "kajabi", PathSecret: secret.New("0123456789/0123456789")}, []string{"path_secret"}},
		{"things that do not belong", Config{Kind: "stripe", Secret: secrets("x"), WebhookID: "1", Sweep: &Sweep{Every: time.Hour}, Fields: map[string]string{"a": "b"}}, []string{"webhook_id", "fields", "sweep"}},
		{"a public key that is none", Config{Kind: "adobe-commerce", Secret: secrets("not PEM")}, []string{"secret"}},
		{"sweep without enrich", Config{Kind: "woocommerce", Secret: secrets("x"), Sweep: &Sweep{Every: time.Hour}}, []string{"sweep"}},
		{"sweep too often", Config{Kind: "woocommerce", Secret: secrets("x"), Sweep: &Sweep{Every: time.Second}, Enrich: &Enrich{URL: "https://shop.example.com", Key: secret.New("k"), Secret: secret.New("s")}}, []string{"sweep.every"}},
		{"enrich without an address", Config{Kind: "woocommerce", Secret: secrets("x"), Enrich: &Enrich{Key: secret.New("k"), Secret: secret.New("s")}}, []string{"enrich.url"}},
		{"enrich without credentials", Config{Kind: "paddle", Secret: secrets("x"), Enrich: &Enrich{}}, []string{"enrich.token"}},
		{"no rate", Config{Kind: "woocommerce", Secret: secrets("x"), Rate: &Rate{}}, []string{"rate.per_second"}},
		{"generic, empty", Config{Kind: "generic"}, []string{"event", "verify"}},
		{"generic, everything wrong", Config{Kind: "generic",
			Verify: &Verify{HMAC: &HMAC{Algorithm: "md5", Encoding: "rot13", Signed: "{timestamp}", Prefix: "x"}, Token: &Token{Header: "A", Query: "b"}, Basic: &Basic{}, Bearer: secrets("")},
			Event:  &Template{Contact: map[string]any{"emial": "x", "email": "{{body", "address": map[string]any{"town": "x"}, "phone": 5}, Items: &Items{Item: map[string]string{"colour": "x"}}},
		}, []string{
			"event.contact.address.town", "event.contact.email", "event.contact.emial", "event.contact.phone",
			"event.items.each", "event.items.item.colour", "event.type", "verify.basic", "verify.bearer",
			"verify.hmac.algorithm", "verify.hmac.encoding", "verify.hmac.header", "verify.hmac.secret",
			"verify.hmac.signed", "verify.hmac.timestamp",
			"verify.token", "verify.token",
		}},
		{"a timestamp that is not signed", Config{Kind: "generic", Event: &Template{Type: "x"}, Verify: &Verify{HMAC: &HMAC{Header: "A", Secret: secrets("x"), Timestamp: "T"}}}, []string{"verify.hmac.signed"}},
		{"an empty field", Config{Kind: "gravityforms", PathSecret: secret.New(testPathSecret), Fields: map[string]string{"email": ""}}, []string{"fields.email"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, mistakes := New("shop", "default", tt.cfg, testDeps())
			paths := []string{}
			for _, m := range mistakes {
				if m.Text == "" {
					t.Errorf("%s says nothing", m.Path)
				}
				paths = append(paths, m.Path)
			}
			slices.Sort(paths)
			slices.Sort(tt.paths)
			if diff := cmp.Diff(tt.paths, paths); diff != "" || s != nil {
				t.Error(diff, mistakes)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	rate := &Rate{PerSecond: 1}
	for kind, want := range map[string]int{"woocommerce": 2, "gravityforms": 1, "wp-webhooks": 1, "shopify": 1, "stripe": 0} {
		if got := Warnings(Config{Kind: kind, Rate: rate}); len(got) != want {
			t.Errorf("%s: %v", kind, got)
		}
	}
	for name, cfg := range map[string]Config{"cielo": {Kind: "cielo", Token: secrets("x")}, "ipn": {Kind: "paypal-ipn"}} {
		if got := Warnings(cfg); len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
