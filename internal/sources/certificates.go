package sources

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// FetchedCertificates is Certificates over HTTPS: each address is fetched once and remembered for a day, as PayPal's and
// Adobe's own answers ask for. It is safe for concurrent use; requests for the same address wait for one fetch.
type FetchedCertificates struct {
	client  *http.Client
	now     func() time.Time
	limiter *rate.Limiter // addresses come from requests that nobody has proved yet

	mu    sync.Mutex
	known map[string]*fetched
}

type fetched struct {
	done  chan struct{}
	pem   []byte
	err   error
	until time.Time
}

const (
	certificateMemory  = 24 * time.Hour
	certificateRetry   = 30 * time.Second // after a failure
	certificateTimeout = 3 * time.Second  // within the sender's patience
	certificateMaxSize = 64 << 10
	certificateEntries = 64
)

// NewCertificates fetches with client, whose redirects are not followed.
func NewCertificates(client *http.Client, now func() time.Time) *FetchedCertificates {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &FetchedCertificates{client: &own, now: now, limiter: rate.NewLimiter(1, 10), known: map[string]*fetched{}}
}

// Certificate implements Certificates.
func (c *FetchedCertificates) Certificate(ctx context.Context, address string) ([]byte, error) {
	c.mu.Lock()
	f, ok := c.known[address]
	if ok {
		select {
		case <-f.done:
			ok = c.now().Before(f.until)
		default:
		}
	}
	if !ok {
		c.forgetLocked()
		f = &fetched{done: make(chan struct{})}
		c.known[address] = f
	}
	c.mu.Unlock()
	if ok {
		select {
		case <-f.done:
			return f.pem, f.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.pem, f.err = c.fetch(ctx, address)
	f.until = c.now().Add(certificateMemory)
	if f.err != nil {
		f.until = c.now().Add(certificateRetry)
	}
	close(f.done)
	return f.pem, f.err
}

// forgetLocked makes room. Good ones stay: a stranger who asks for many addresses that do not exist must not push them out.
func (c *FetchedCertificates) forgetLocked() {
	if len(c.known) < certificateEntries {
		return
	}
	for address, f := range c.known {
		select {
		case <-f.done:
			if f.err != nil || !c.now().Before(f.until) {
				delete(c.known, address)
			}
		default:
		}
	}
}

func (c *FetchedCertificates) fetch(ctx context.Context, address string) ([]byte, error) {
	if !c.limiter.AllowN(c.now(), 1) {
		return nil, errors.New("too many certificates are asked for")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), certificateTimeout) // others wait for it too
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, certificateMaxSize))
}

// pinned checks that an address from a header is the sender's own: anything else would make us fetch a stranger's key,
// or call into our own network.
func pinned(address string, hosts []string, path string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return notAuthentic("the certificate's address is not a plain https address")
	}
	if !slices.Contains(hosts, u.Host) || !strings.HasPrefix(u.Path, path) || strings.Contains(u.Path, "..") || u.EscapedPath() != u.Path {
		return notAuthentic("the certificate's address %q is not the sender's", u.Host)
	}
	return nil
}

// chain reads PEM certificates, leaf first.
func chain(text []byte) (leaf *x509.Certificate, others *x509.CertPool, err error) {
	others = x509.NewCertPool()
	for n := 0; n < 10; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate: %w", err)
		}
		if leaf == nil {
			leaf = cert
		} else {
			others.AddCert(cert)
		}
	}
	if leaf == nil {
		return nil, nil, errors.New("no certificate in the sender's answer")
	}
	return leaf, others, nil
}

// publicKey reads a PEM public key or certificate.
func publicKey(text []byte) (*rsa.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no key in the sender's answer")
	}
	var key any
	if block.Type == "CERTIFICATE" {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		key = cert.PublicKey
	} else {
		var err error
		if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, err
		}
	}
	if rsaKey, ok := key.(*rsa.PublicKey); ok {
		return rsaKey, nil
	}
	return nil, errors.New("the sender's key is not RSA")
}

// verifyRSA checks RSASSA-PKCS1-v1_5 with SHA-256.
func verifyRSA(key *rsa.PublicKey, signature []byte, message ...[]byte) error {
	h := sha256.New()
	for _, m := range message {
		h.Write(m)
	}
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, h.Sum(nil), signature)
}
