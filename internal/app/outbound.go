package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// errPrivate is the answer to addresses that nobody outside may make the bridge call.
var errPrivate = errors.New("the address is private: the bridge calls public hosts only")

// outbound is the client for everything whose address comes from outside: it reaches public addresses only, checked
// after the name is resolved, so that no name can be turned to a private address in between.
func outbound() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: refusePrivate}
	return &http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.URL.Host != via[0].URL.Host {
				return errors.New("the sender redirects to another host")
			}
			return nil
		},
	}
}

// keapTransport talks to Keap, or to a sandbox on any address.
func keapTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 32, MaxIdleConns: 512,
		IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	}
}

// certificates fetches and keeps senders' certificates; sources check the addresses before they ask.
type certificates struct {
	client *http.Client

	mu   sync.Mutex
	kept map[string]certificate
}

type certificate struct {
	pem   []byte
	until time.Time
}

// How long a certificate is kept, how large it may be, and how many are kept: senders use a handful.
const (
	certificateLife = 24 * time.Hour
	certificateSize = 64 << 10
	certificateMost = 100
)

func newCertificates() *certificates {
	return &certificates{client: outbound(), kept: map[string]certificate{}}
}

// Certificate implements sources.Certificates.
func (c *certificates) Certificate(ctx context.Context, url string) ([]byte, error) {
	c.mu.Lock()
	kept, ok := c.kept[url]
	c.mu.Unlock()
	if ok && time.Now().Before(kept.until) {
		return kept.pem, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the certificate's server answers %s", res.Status)
	}
	pem, err := io.ReadAll(io.LimitReader(res.Body, certificateSize))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.kept) >= certificateMost {
		clear(c.kept)
	}
	c.kept[url] = certificate{pem, time.Now().Add(certificateLife)}
	return pem, nil
}

// refusePrivate is asked with the resolved address before a connection is made.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !public(ap.Addr()) {
		return errPrivate
	}
	return nil
}

// public tells whether an address is one that a stranger's URL may lead to.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !carrierGrade.Contains(a)
}

// carrierGrade is RFC 6598's shared address space; providers run internal services there.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")
