package sources

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// pass lets time pass on the clock of a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

// answering is an HTTP client without a network.
func answering(f func(*http.Request) (int, string)) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		status, body := f(r)
		if status == 0 {
			return nil, errors.New(body)
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Location": {"https://elsewhere.example.com/"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}
}

func TestCertificatesAreFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int32
		c := NewCertificates(answering(func(*http.Request) (int, string) {
			fetched.Add(1)
			pass(time.Second) // a slow sender, on the test's own clock
			return 200, "PEM"
		}), time.Now)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if b, err := c.Certificate(t.Context(), "https://keys.example.com/1"); err != nil || string(b) != "PEM" {
					t.Error(string(b), err)
				}
			})
		}
		wg.Wait()
		pass(certificateMemory - 2*time.Second)
		_, _ = c.Certificate(t.Context(), "https://keys.example.com/1")
		if n := fetched.Load(); n != 1 {
			t.Errorf("fetched %d times within a day", n)
		}
		pass(3 * time.Second)
		_, _ = c.Certificate(t.Context(), "https://keys.example.com/1")
		if n := fetched.Load(); n != 2 {
			t.Errorf("fetched %d times after a day", n)
		}
	})
}

func TestCertificateFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 404
		fetched := 0
		c := NewCertificates(answering(func(*http.Request) (int, string) {
			fetched++
			return status, strings.Repeat("x", 1<<20)
		}), time.Now)
		for range 5 {
			if _, err := c.Certificate(t.Context(), "https://keys.example.com/1"); err == nil {
				t.Error("404 is no certificate")
			}
		}
		if fetched != 1 {
			t.Errorf("a failure was not remembered: %d", fetched)
		}
		pass(certificateRetry + time.Second)
		status = 302
		if _, err := c.Certificate(t.Context(), "https://keys.example.com/1"); err == nil || fetched != 2 {
			t.Error("a redirect was followed", fetched, err)
		}
		pass(certificateRetry + time.Second)
		status = 200
		if b, err := c.Certificate(t.Context(), "https://keys.example.com/1"); err != nil || len(b) != certificateMaxSize {
			t.Error(len(b), err)
		}
		// A stranger asks for many: the good one stays, and the sender is not run down.
		status, fetched = 404, 0
		for i := range 1000 {
			_, _ = c.Certificate(t.Context(), "https://keys.example.com/"+strings.Repeat("a", i))
		}
		if fetched > 12 {
			t.Errorf("%d fetches for a stranger", fetched)
		}
		if _, err := c.Certificate(t.Context(), "https://keys.example.com/1"); err != nil {
			t.Error("the good one was pushed out:", err)
		}
		if len(c.known) > certificateEntries+1 {
			t.Errorf("%d remembered", len(c.known))
		}
	})
}

func TestCertificateWaitEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCertificates(answering(func(*http.Request) (int, string) {
			pass(time.Minute)
			return 200, "PEM"
		}), time.Now)
		go func() { _, _ = c.Certificate(context.Background(), "https://keys.example.com/1") }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Certificate(ctx, "https://keys.example.com/1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		pass(2 * time.Minute)
	})
}

// A rehearsal's key goes through a file, signs, and counts only where it was given.
func TestRehearsal(t *testing.T) {
	text, err := testRehearsal().PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadRehearsal(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"paypal", "adobe-events"} {
		deps := testDeps()
		deps.Rehearsal = again
		s := samplesIn(t, "testdata/"+kind, kind)[0]
		r := signed(t, mustNew(t, testConfig(t, kind), deps), &s)
		if _, _, err := mustNew(t, testConfig(t, kind), testDeps()).Open(context.Background(), r); err != nil {
			t.Errorf("%s: the same key from its file: %v", kind, err)
		}
		production := testDeps()
		production.Rehearsal, production.Certificates = nil, servedCertificates{}
		src := mustNew(t, testConfig(t, kind), production)
		if _, got, err := src.Open(context.Background(), r); err == nil {
			t.Errorf("%s: accepted in production: %v", kind, got)
		}
		if _, err := src.(Signer).Sign("", s.body); err == nil {
			t.Errorf("%s: signed without a key", kind)
		}
		other := testDeps()
		if other.Rehearsal, err = NewRehearsal(testNow); err != nil {
			t.Fatal(err)
		}
		if _, _, err := mustNew(t, testConfig(t, kind), other).Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: another rehearsal's key: %v", kind, err)
		}
	}
	for _, bad := range [][]byte{nil, []byte("x"), bytes.Replace(text, []byte("CERTIFICATE"), []byte("PUBLIC KEY"), 2)[:100]} {
		if _, err := ReadRehearsal(bad); err == nil {
			t.Errorf("%.20s was read", bad)
		}
	}
}

// Adobe Commerce's signature, with a public key in the configuration.
func TestAdobeCommerceSignature(t *testing.T) {
	cfg := Config{Kind: "adobe-commerce", Secret: secrets(string(testRehearsal().certificate()))}
	src := mustNew(t, cfg, testDeps())
	s := samplesIn(t, "testdata/adobe-commerce", "adobe-commerce")[0]
	r := signed(t, src, &s)
	production := testDeps()
	production.Rehearsal = nil
	strict := mustNew(t, cfg, production)
	if _, _, err := strict.Open(context.Background(), r); err != nil {
		t.Error(err)
	}
	r.Body = append(r.Body, ' ')
	if _, _, err := strict.Open(context.Background(), r); statusOf(err) != http.StatusUnauthorized {
		t.Error(err)
	}
}

// A certificate that leads to a trusted root is PayPal's only when it is made out to PayPal.
func TestPayPalCertificateOfSomebodyElse(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{"messageverificationcerts.paypal.com": true, "example.com": false, "paypal.com.example.com": false, "notpaypal.com": false} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "www.paypal.com"}, DNSNames: []string{name}, NotBefore: testNow.AddDate(0, 0, -1),
			NotAfter: testNow.AddDate(0, 0, 1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := rehearsalOf(key, der)
		if err != nil {
			t.Fatal(err)
		}
		deps := testDeps()
		deps.Rehearsal = signer
		r := signed(t, mustNew(t, testConfig(t, "paypal"), deps), &samplesIn(t, "testdata/paypal", "paypal")[0])
		const address = "https://api.paypal.com/v1/notifications/certs/CERT-1"
		r.Header.Set("Paypal-Cert-Url", address)
		production := testDeps()
		production.Rehearsal, production.Roots, production.Certificates = nil, signer.roots, servedCertificates{address: signer.certificate()}
		_, _, err = mustNew(t, testConfig(t, "paypal"), production).Open(context.Background(), r)
		if ok && err != nil || !ok && statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A certificate's address comes from a header: only the sender's own is followed.
func TestCertificateAddressesArePinned(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://api.paypal.com/v1/notifications/certs/CERT-1": true, "https://api-m.sandbox.paypal.com/v1/notifications/certs/CERT-1": true,
		"": false, "http://api.paypal.com/v1/notifications/certs/x": false, "https://evil.example.com/v1/notifications/certs/x": false,
		"https://api.paypal.com.example.com/v1/notifications/certs/x": false, "https://api.paypal.com@example.com/v1/notifications/certs/x": false,
		"https://api.paypal.com/v1/notifications/certs/../../x": false, "https://api.paypal.com/v1/notifications/certs/%2e%2e/x": false,
		"https://api.paypal.com:8443/v1/notifications/certs/x": false, "https://api.paypal.com/other/x": false,
		"https://api.paypal.com/v1/notifications/certs/x?y=1": false, "//api.paypal.com/v1/notifications/certs/x": false,
		"https://127.0.0.1/v1/notifications/certs/x": false, "https://api.paypal.com/v1/notifications/certs/x#y": false,
	} {
		if err := pinned(address, paypalHosts, paypalCertPath); (err == nil) != ok || !ok && statusOf(err) != http.StatusUnauthorized {
			t.Errorf("%s: %v", address, err)
		}
	}
}
