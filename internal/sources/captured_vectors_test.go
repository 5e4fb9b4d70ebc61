package sources

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bridge/internal/secret"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// servedCertificates answers with the text at each address.
type servedCertificates map[string][]byte

func (s servedCertificates) Certificate(_ context.Context, url string) ([]byte, error) {
	if b, ok := s[url]; ok {
		return b, nil
	}
	return nil, errors.New("no such certificate: " + url)
}

// A real signed event of PayPal's sandbox, with the certificates of its day and the clock set back to it.
func TestPayPalVector(t *testing.T) {
	if !hasShared(t) {
		return
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, "paypal/vector-2015/DigiCertHighAssuranceEVRootCA.crt.pem"))
	headers := headersOf(t, read(t, "paypal/vector-2015/headers.json"))
	pem := append(read(t, "paypal/vector-2015/cert-leaf.pem"), '\n')
	pem = append(pem, read(t, "paypal/vector-2015/DigiCertSHA2ExtendedValidationServerCA.crt.pem")...)
	signedAt := time.Date(2015, 5, 18, 15, 45, 13, 0, time.UTC)
	deps := testDeps()
	deps.Now = func() time.Time { return signedAt }
	deps.Roots, deps.Certificates = roots, servedCertificates{headers.Get("Paypal-Cert-Url"): pem}
	cfg := Config{Kind: "paypal", WebhookID: "4JH86294D6297924G"}
	request := Request{Header: headers, Body: read(t, "paypal/vector-2015/body.json")}

	_, got, err := mustNew(t, cfg, deps).Open(context.Background(), request)
	if err != nil || len(got) != 1 || got[0].ID != "shop:order.paid:4EU7004268015634R" || got[0].Data.Order.Total != "20.00" {
		t.Fatal(got, err)
	}

	refuse := func(name string, cfg Config, deps Deps, header, value string) {
		t.Helper()
		r := request
		r.Header = maps.Clone(headers)
		if header != "" {
			r.Header.Set(header, value)
		}
		if _, _, err := mustNew(t, cfg, deps).Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := cfg
	other.WebhookID = "another"
	refuse("another webhook", other, deps, "", "")
	later := deps
	later.Now = time.Now
	refuse("an expired certificate", cfg, later, "", "")
	strangers := deps
	strangers.Roots = x509.NewCertPool()
	refuse("another root", cfg, strangers, "", "")
	refuse("another algorithm", cfg, deps, "Paypal-Auth-Algo", "SHA1withRSA")
	refuse("another time", cfg, deps, "Paypal-Transmission-Time", "2015-05-18T15:45:14Z")
	for _, address := range []string{
		"", "http://api.sandbox.paypal.com/v1/notifications/certs/x",
		"https://evil.example.com/v1/notifications/certs/x",
		"https://api.paypal.com.example.com/v1/notifications/certs/x",
		"https://api.paypal.com@example.com/v1/notifications/certs/x",
		"https://api.paypal.com/v1/notifications/certs/../../x",
		"https://api.paypal.com/v1/notifications/certs/%2e%2e/x",
		"https://api.paypal.com:8443/v1/notifications/certs/x", "https://api.paypal.com/other/x",
		"https://api.paypal.com/v1/notifications/certs/x?y=1", "//api.paypal.com/v1/notifications/certs/x",
	} {
		refuse(address, cfg, deps, "Paypal-Cert-Url", address)
	}
	broken := deps
	broken.Certificates = servedCertificates{}
	if _, _, err := mustNew(t, cfg, broken).Open(context.Background(), request); err == nil || statusOf(err) != 0 {
		t.Errorf("a certificate that cannot be fetched must not be the sender's fault: %v", err)
	}
}

func TestAdobeVector(t *testing.T) {
	if !hasShared(t) {
		return
	}
	headers := headersOf(t, read(t, "adobe-io-events/vector-headers.json"))
	headers.Set("X-Adobe-Public-Key1-Path", "/prod/keys/pub-key-1.pem")
	headers.Set("X-Adobe-Public-Key2-Path", "/prod/keys/pub-key-2.pem")
	deps := testDeps()
	key := read(t, "adobe-io-events/vector-pubkey.pem")
	deps.Certificates = servedCertificates{
		"https://static.adobeioevents.com/prod/keys/pub-key-1.pem": read(t, "paypal/vector-2015/cert-leaf.pem"),
		"https://static.adobeioevents.com/prod/keys/pub-key-2.pem": key,
	}
	body := read(t, "adobe-io-events/vector-body.json")
	if _, _, err := mustNew(t, Config{Kind: "adobe-events", ClientID: "client_id1"}, deps).Open(context.Background(), Request{Header: headers, Body: body}); err != nil {
		t.Errorf("the second key is the right one: %v", err)
	}
	for name, client := range map[string]string{"another client": "client_id2", "a prefix": "client_id"} {
		if _, _, err := mustNew(t, Config{Kind: "adobe-events", ClientID: client}, deps).Open(context.Background(), Request{Header: headers, Body: body}); statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	headers.Set("X-Adobe-Public-Key2-Path", "/prod/keys/../../x")
	if _, _, err := mustNew(t, Config{Kind: "adobe-events", ClientID: "client_id1"}, deps).Open(context.Background(), Request{Header: headers, Body: body}); statusOf(err) != http.StatusUnauthorized {
		t.Errorf("a path outside: %v", err)
	}
}

func TestStripeVector(t *testing.T) {
	if !hasShared(t) {
		return
	}
	const header = "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7,v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"
	body := read(t, "stripe/vector.body.json")
	tests := []struct {
		name, header, secret string
		clock                time.Duration
		ok                   bool
	}{
		{"as published", header, "webhook_secret", 0, true},
		{"a second secret's signature first", strings.Replace(header, "v1=", "v1=00ff,v1=", 1), "webhook_secret", 0, true},
		{"late", header, "webhook_secret", 301 * time.Second, false},
		{"early", header, "webhook_secret", -301 * time.Second, false},
		{"v0 only", "t=1533204620,v0=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7", "webhook_secret", 0, false},
		{"no time", strings.TrimPrefix(header, "t=1533204620,"), "webhook_secret", 0, false},
		{"another time", strings.Replace(header, "620", "621", 1), "webhook_secret", 0, false},
		{"another secret", header, "webhook_secreT", 0, false},
		{"no header", "", "webhook_secret", 0, false},
	}
	for _, tt := range tests {
		deps := testDeps()
		deps.Now = func() time.Time { return time.Unix(1533204620, 0).Add(tt.clock) }
		s := mustNew(t, Config{Kind: "stripe", Secret: Secrets{secret.New("other"), secret.New(tt.secret)}}, deps)
		_, got, err := s.Open(context.Background(), Request{Header: http.Header{"Stripe-Signature": {tt.header}}, Body: body})
		if tt.ok && (err != nil || len(got) != 1) || !tt.ok && statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v, %v", tt.name, types(got), err)
		}
	}
}

func TestOtherVectors(t *testing.T) {
	deps := testDeps()
	deps.Now = func() time.Time { return time.Unix(1700000000, 0) }
	tests := []struct {
		cfg    Config
		header http.Header
		body   string
	}{
		{Config{Kind: "woocommerce", Secret: secrets("wc_test_secret")}, http.Header{"X-Wc-Webhook-Signature": {"3jQiKONGKEqYSp98JZ8meHZiy+K2Tnz2Ivc+Wo+gkxs="}}, `{"id":727}`},
		{Config{Kind: "wp-webhooks", Secret: secrets("wp_test_secret")}, http.Header{"X-Wp-Webhook-Signature": {"ImKYeNGatDTdn2bheqZYPH8npT5X9cdy3GnCAaJjpaU="}}, `{"user_id":1}`},
		{Config{Kind: "clickfunnels", Secret: secrets("839d0d645bedefbaf76e3269d1b1141ef07683c179cc3bb0aee9348c90517a7")}, http.Header{
			"X-Webhook-Clickfunnels-Signature": {"6824bc6b1692ac381e57e4966f9372c467c6a767bbbb18dbd28d59116e58adc8"},
			"X-Webhook-Clickfunnels-Timestamp": {"1700000000"},
		}, `{"event_type":"order.completed"}`},
	}
	for _, tt := range tests {
		if _, _, err := mustNew(t, tt.cfg, deps).Open(context.Background(), Request{Header: tt.header, Body: []byte(tt.body)}); err != nil {
			t.Errorf("%s: %v", tt.cfg.Kind, err)
		}
	}
}
