package sandbox

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// maxBody is the largest request body that is read; Keap's own limit is not documented.
// Seeds may be larger.
const (
	maxBody = 64 << 20
	maxSeed = 512 << 20
)

// Options are what New needs; the zero value is usable.
type Options struct {
	Now    func() time.Time // the clock under Settings.Clock; nil: time.Now
	Seed   uint64           // for latencies and fault rates: the same calls in the same order meet the same luck
	Logger *slog.Logger     // one debug line per call; nil: none

	// Hooks carries the requests that the simulator itself makes: the handshake of REST hooks and their
	// deliveries. nil: it makes none, and subscriptions wait for delayedVerify.
	Hooks *http.Client
}

// Server is the simulator. Its methods are safe for concurrent use.
type Server struct {
	opts Options
	log  *slog.Logger

	mu       sync.Mutex // guards everything below; a tenant's data has its own lock, never held while taking mu
	settings settings
	offset   time.Duration // Settings.Clock minus Options.Now
	rng      *rand.Rand
	tenants  map[string]*tenant
	keyApps  map[string]string // credentials that no setting gave a tenant
	base     []packedSeed      // seeds for every tenant, also those that come later
	spare    *tenant           // with those seeds, for the first to come; nil: not made yet
	buckets  map[string]*bucket
	spent    []elsewhere
	faults   []*faultRule
	tally    map[string]*tally // by app, "" for calls of nobody
	calls    callLog
	oauth    oauth
	outages  int // XML-RPC calls answered during a brownout, to vary the answer
}

// HTTPServer is an http.Server for a simulator. Its limit on writing leaves room for faults that answer late.
func HTTPServer(s *Server) *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 15 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
}

// New returns a simulator with nothing in it but the users and stages that every Keap application has.
func New(opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: opts, log: log}
	s.Reset()
	return s
}

// Reset returns the simulator to how New made it: settings, seeds, data, faults, counters and tokens are gone.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settings = defaultSettings()
	s.offset = 0
	s.rng = rand.New(rand.NewPCG(s.opts.Seed, 0x6b656170))
	s.tenants = map[string]*tenant{}
	s.keyApps = map[string]string{}
	s.base, s.spare = nil, nil
	s.buckets = map[string]*bucket{}
	s.spent = nil
	s.faults = nil
	s.tally = map[string]*tally{}
	s.calls = callLog{most: maxLog}
	s.oauth = newOAuth()
	s.outages = 0
}

// nowLocked is the simulator's time: UTC, as Settings.Clock has set it.
func (s *Server) nowLocked() time.Time { return s.opts.Now().Add(s.offset).UTC() }

// Now is the simulator's time, in UTC.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nowLocked()
}

// request is an HTTP request, read.
type request struct {
	ctx    context.Context
	method string
	path   string // escaped, as it came
	query  url.Values
	header http.Header
	body   []byte
	origin string // scheme://host of the request, for addresses in answers
}

// answer is what goes back, and how.
type answer struct {
	status int
	header []headerField
	kind   string // Content-Type; "" when there is no body
	body   []byte
	wait   time.Duration // latency
	fault  faultKind     // how the transport misbehaves
}

type headerField struct{ name, value string }

// ServeHTTP serves the simulator over HTTP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limit := int64(maxBody)
	if strings.HasPrefix(r.URL.Path, "/sandbox/") {
		limit = maxSeed
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		w.Header().Set("X-Sandbox", "true")
		http.Error(w, "request body: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	origin := "http://" + r.Host
	if r.TLS != nil {
		origin = "https://" + r.Host
	}
	req := newRequest(r, body, origin)
	a, err := s.answer(req)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone, or is to think that the server is
	}
	s.write(w, a)
}

func newRequest(r *http.Request, body []byte, origin string) *request {
	return &request{
		ctx: r.Context(), method: r.Method, path: r.URL.EscapedPath(),
		query: queryOf(r.URL), header: r.Header, body: body, origin: origin,
	}
}

// queryOf parses leniently: a pair that cannot be unescaped is dropped, the others count.
func queryOf(u *url.URL) url.Values {
	if u.RawQuery == "" {
		return nil
	}
	v, _ := url.ParseQuery(u.RawQuery)
	return v
}

// answer serves one request, with its latency. An error means that no answer may be given at all.
func (s *Server) answer(req *request) (answer, error) {
	var a answer
	switch path := strings.TrimRight(req.path, "/"); {
	case path == "/sandbox" || strings.HasPrefix(path, "/sandbox/"):
		a = s.control(req, path)
	case path == "/token" || path == "/app/oauth/authorize":
		a = s.serveOAuth(req, path)
	default:
		a = s.serveCall(req)
	}
	if a.wait > 0 {
		if err := sleep(req.ctx, a.wait); err != nil {
			return a, err
		}
	}
	if a.fault == faultTimeoutBefore || a.fault == faultTimeoutAfter {
		<-req.ctx.Done()
		return a, context.Cause(req.ctx)
	}
	a.header = append(a.header, headerField{"Date", s.Now().Format(http.TimeFormat)})
	return a, nil
}

// sleep waits under ctx, in virtual time too.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
