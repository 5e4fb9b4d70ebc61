package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
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
			if len(via) > 3 || r.URL.Host != via[0].URL.Host {
				return errors.New("the sender redirects to another host")
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
	return a.IsValid() && a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !carrierGrade.Contains(a)
}

// publicOrOwn lets a bridge with the sandbox ask stand-ins of senders on the same machine.
func publicOrOwn(a netip.Addr) bool { return public(a) || a.Unmap().IsLoopback() }

// carrierGrade is RFC 6598's shared address space; providers run internal services there.
var carrierGrade = netip.MustParsePrefix("100.64.0.0/10")
