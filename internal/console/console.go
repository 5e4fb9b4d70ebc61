package console

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bridge/internal/ops"
	"bridge/internal/secret"
)

// Options of New. Desk is required.
type Options struct {
	Desk    *ops.Desk
	Version string
	Log     *slog.Logger // slog.Default() when nil

	// Token lets its owner do everything; Tokens adds people with roles. Without any, nobody is asked, and only
	// requests to loopback names are answered.
	Token  secret.Text
	Tokens []Token
	// Secure marks the session cookie for HTTPS; set it when browsers reach the console that way.
	Secure bool
	// Hand is the token of commands on this machine. It is no reason to ask others for one; empty: there is none.
	Hand secret.Text
	// A reverse proxy at one of ProxyFrom that has authenticated a user names it in ProxyHeader; the user gets ProxyRole.
	ProxyHeader string
	ProxyFrom   []netip.Prefix
	ProxyRole   Role

	// Metrics is served at /metrics, to whoever has a token or MetricsToken where either is set. nil: 404.
	Metrics      http.Handler
	MetricsToken secret.Text
	// Ready says why the process cannot work yet; nil error = it can. nil: always ready.
	Ready func(ctx context.Context) error
	// Configure replaces an account's configuration (YAML or JSON), or removes it when body is nil. nil: 404.
	Configure func(ctx context.Context, account string, body []byte) error
	// Backup writes everything that is stored. nil: 404.
	Backup func(ctx context.Context, w io.Writer) error
	// Observe is called for every answered request; route is the pattern. nil: nobody counts.
	Observe func(route string, status int, took time.Duration)
}

// Console serves pages and API. It is safe for concurrent use.
type Console struct {
	Options
	mux        *http.ServeMux
	tokens     []Token
	secretless bool // no token is asked for
	sessions   *sessions
	formKey    string // csrf key of browsers that do not log in
	origin     *http.CrossOriginProtection
	pages      *pages

	closing   sync.Mutex    // held to begin a stream and to close
	ended     chan struct{} // closed by Close: live streams end
	streams   sync.WaitGroup
	listeners atomic.Int64
}

// New makes a Console.
func New(opt Options) *Console {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	c := &Console{
		Options: opt, mux: http.NewServeMux(), sessions: newSessions(), formKey: randomText(),
		origin: http.NewCrossOriginProtection(), ended: make(chan struct{}), tokens: opt.Tokens, pages: loadPages(),
	}
	if !opt.Token.Empty() {
		c.tokens = append([]Token{{Role: Admin, Name: "admin", Hash: sha256.Sum256([]byte(opt.Token.Reveal()))}}, opt.Tokens...)
	}
	c.secretless = len(c.tokens) == 0 && opt.ProxyHeader == ""
	if !opt.Hand.Empty() {
		c.tokens = append(slices.Clone(c.tokens), Token{Role: Admin, Name: "command line", Hash: sha256.Sum256([]byte(opt.Hand.Reveal()))})
	}
	for _, r := range apiRoutes {
		c.mux.Handle(r.method+" "+r.path, c.answer(r))
	}
	for _, r := range pageRoutes {
		c.mux.Handle(r.method+" "+r.path, c.answer(r))
	}
	c.mux.Handle("GET /static/", c.secured(c.pages.static()))
	c.mux.Handle("GET /healthz", c.secured(http.HandlerFunc(c.healthz)))
	c.mux.Handle("GET /readyz", c.secured(http.HandlerFunc(c.readyz)))
	c.mux.Handle("GET /metrics", c.secured(http.HandlerFunc(c.metrics)))
	c.mux.Handle("/", c.answer(route{path: "/", page: true, handle: (*Console).unknown}))
	return c
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.mux.ServeHTTP(w, r) }

// Close ends the live streams and waits for them. Other requests are the server's to wait for.
func (c *Console) Close() error {
	c.closing.Lock()
	select {
	case <-c.ended:
	default:
		close(c.ended)
	}
	c.closing.Unlock()
	c.streams.Wait()
	return nil
}

// healthz says that the process lives.
func (c *Console) healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") }

// readyz says whether it can work. Why not stands in the log: anybody may ask.
func (c *Console) readyz(w http.ResponseWriter, r *http.Request) {
	if c.Ready != nil {
		if err := c.Ready(r.Context()); err != nil {
			c.Log.Debug("not ready", "cause", err)
			plain(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
	}
	plain(w, http.StatusOK, "ready\n")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// metrics hands over to the metrics, for who may see them.
func (c *Console) metrics(w http.ResponseWriter, r *http.Request) {
	if c.Metrics == nil {
		http.NotFound(w, r)
		return
	}
	if bearer, ok := bearerOf(r); ok && c.MetricsToken.Equal(bearer) {
		c.Metrics.ServeHTTP(w, r)
		return
	}
	who, err := c.identify(r)
	var no *refusal
	switch {
	case errors.As(err, &no) && no.status == http.StatusForbidden:
		plain(w, no.status, no.detail+"\n")
	case err == nil && who.role >= Viewer && (!c.open() || c.MetricsToken.Empty()):
		c.Metrics.ServeHTTP(w, r)
	default:
		w.Header().Set("WWW-Authenticate", "Bearer")
		plain(w, http.StatusUnauthorized, "a token is needed\n")
	}
}
