package console

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// identify tells who asks, and refuses what may be a forgery.
func (c *Console) identify(r *http.Request) (identity, error) {
	if bearer, ok := bearerOf(r); ok {
		t, known := match(c.tokens, bearer)
		if !known {
			return identity{}, &refusal{status: http.StatusUnauthorized, detail: "the token is not valid"}
		}
		return identity{role: t.Role, name: t.Name}, nil // no browser sends this header by itself
	}
	who, err := c.fromBrowser(r)
	if err != nil || who.role == Nobody {
		return who, err
	}
	if err := c.origin.Check(r); err != nil {
		return identity{}, &refusal{status: http.StatusForbidden, detail: "the request comes from another site", cause: err}
	}
	return who, nil
}

// fromBrowser tells who asks without a token in the request.
func (c *Console) fromBrowser(r *http.Request) (identity, error) {
	if who, ok := c.sessions.of(r, time.Now()); ok {
		return who, nil
	}
	if name := c.byProxy(r); name != "" {
		return identity{role: c.ProxyRole, name: name, csrf: c.formKey}, nil
	}
	if c.open() {
		if !loopback(r.Host) {
			return identity{}, &refusal{status: http.StatusForbidden,
				detail: "without a token the console answers to loopback names only (set BRIDGE_CONSOLE_TOKEN to open it to others)"}
		}
		return identity{role: Admin, name: "local", csrf: c.formKey}, nil
	}
	return identity{}, nil
}

// open tells that no token is asked for. With a proxy that logs people in nothing is: what it lets through without a name
// would look like a browser of this machine.
func (c *Console) open() bool { return c.secretless }

func bearerOf(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// loopback tells whether a Host header names this machine. Other names could be somebody's page whose address was
// pointed here (DNS rebinding).
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// byProxy gives the user whom a trusted reverse proxy has let in; "" where there is none.
func (c *Console) byProxy(r *http.Request) string {
	if c.ProxyHeader == "" {
		return ""
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	for _, p := range c.ProxyFrom {
		if p.Contains(remote.Addr().Unmap()) {
			return cut(strings.TrimSpace(r.Header.Get(c.ProxyHeader)), maxName)
		}
	}
	return ""
}

// maxName bounds what a proxy can make an audit line say.
const maxName = 100

func cut(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// formOK tells whether a change asked for by a browser carries the key that only our own pages know.
func (who identity) formOK(r *http.Request) bool {
	if who.csrf == "" {
		return true
	}
	sent := r.Header.Get("X-CSRF-Token")
	if sent == "" {
		sent = r.PostFormValue("csrf")
	}
	return subtle.ConstantTimeCompare([]byte(sent), []byte(who.csrf)) == 1
}
