package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// errPrivate is the answer to addresses that nobody outside may make the bridge call.
var errPrivate = errors.New("the address is private: the bridge calls public hosts only")

// outbound is the client for everything whose address comes from outside: it reaches the addresses that may says only
// (public ones), checked after the name is resolved, so that no name can be turned to a private address in between.
func outbound(may func(netip.Addr) bool) *http.Client {
	refuse := func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || !may(ap.Addr()) {
			return errPrivate
		}
		return nil
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: refuse}
	return &http.Client{
		Timeout: 15 * time.Second,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 3 || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
				return errors.New("the sender redirects to another host, or away from TLS")
			}
			return nil
		},
	}
}

// keapTransport talks to Keap, or to a sandbox on any address. may tells whether this process may act. It is asked for
// every write to the network: a process that was paused between its decision to send and the sending must not send
// when it wakes, because another one may have done so meanwhile.
func keapTransport(may func() bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{ // as many idle connections to Keap as a thousand accounts come to use: a new one costs more than a call
		Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 256, MaxIdleConns: 512,
		IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &fenced{c, may}, nil
		},
	}
}

// fenced is a connection that writes only while this process may act.
type fenced struct {
	net.Conn
	may func() bool
}

// errFenced is the answer to writes of a process that was paused or cut off for longer than its lease.
var errFenced = errors.New("this process may not call Keap now: the others may have taken over")

// Write implements net.Conn.
func (c *fenced) Write(b []byte) (int, error) {
	if !c.may() {
		return 0, errFenced
	}
	return c.Conn.Write(b)
}

// public tells whether an address is one that a stranger's URL may lead to.
func public(a netip.Addr) bool {
	a = a.Unmap()
	within := func(p netip.Prefix) bool { return p.Contains(a) }
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !slices.ContainsFunc(inner, within)
}

// publicOrOwn lets a bridge with the sandbox ask stand-ins of senders on the same machine.
func publicOrOwn(a netip.Addr) bool { return public(a) || a.Unmap().IsLoopback() }

// inner are the further prefixes of IANA's special-purpose registries (RFC 6890) that lead to a machine's or a provider's own
// services, or that carry an IPv4 address which may be a private one.
var inner = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network
	netip.MustParsePrefix("100.64.0.0/10"),  // shared by the customers of a provider (RFC 6598)
	netip.MustParsePrefix("192.0.0.0/24"),   // assignments of protocols
	netip.MustParsePrefix("198.18.0.0/15"),  // test benches (RFC 2544)
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved
	netip.MustParsePrefix("::/96"),          // IPv4-compatible, of old
	netip.MustParsePrefix("64:ff9b::/96"),   // NAT64 (RFC 6052)
	netip.MustParsePrefix("64:ff9b:1::/48"), // NAT64 of one's own (RFC 8215)
	netip.MustParsePrefix("2001::/32"),      // Teredo
	netip.MustParsePrefix("2002::/16"),      // 6to4
	netip.MustParsePrefix("fec0::/10"),      // site-local, of old
}
