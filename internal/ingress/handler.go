package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"bridge/internal/events"
	"bridge/internal/sources"
)

// Intake is the durable line. Accept returns after every event is on disk, and tells which ones it already had.
// It must fail rather than accept what may be lost.
type Intake interface {
	Accept(ctx context.Context, batch []events.Event) (duplicate []bool, err error)
}

// Route is where one configured source's requests go. Limiter is nil where none is configured.
type Route struct {
	Source  sources.Source
	Limiter *rate.Limiter
	MaxBody int64 // bytes
}

// Seen is what became of one request, for metrics and the console's list of sources.
type Seen struct {
	Account, Source string // as configured; both "" when the address is unknown
	Outcome         string // accepted, duplicate, ignored, unauthorized, refused, forbidden, limited, too_large, unavailable
	Status          int
	Events          int
	At              time.Time
	Took            time.Duration
	Why             string // private: for the console's last requests
}

// Options configure a Handler. Every field but TrustedProxies is needed.
type Options struct {
	Intake         Intake
	Route          func(account, source string) (Route, bool) // safe for concurrent use
	TrustedProxies []netip.Prefix                             // whose X-Forwarded-For counts
	Observe        func(Seen)                                 // safe for concurrent use; must not block
	Log            *slog.Logger
	Now            func() time.Time
}

// Limits of one request. The time is below the shortest budget of a sender (Shopify gives up after 5 s).
const (
	readTimeout   = 4 * time.Second
	acceptTimeout = 4 * time.Second
)

// Handler answers webhooks. Safe for concurrent use.
type Handler struct {
	Options
	mux *http.ServeMux
}

// New makes a Handler.
func New(o Options) *Handler {
	h := &Handler{Options: o, mux: http.NewServeMux()}
	h.mux.HandleFunc("/hooks/{account}/{source}", h.hook)
	h.mux.HandleFunc("/hooks/{account}/{source}/{rest...}", h.hook)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		(&failure{status: http.StatusNotFound, detail: "webhooks are taken at /hooks/{account}/{source}"}).write(w)
	})
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// accepted is the body of a 2xx answer.
type accepted struct {
	IDs    []string `json:"ids"`
	Status string   `json:"status"`
}

// hook answers one request: every way out goes through here.
func (h *Handler) hook(w http.ResponseWriter, r *http.Request) {
	start := h.Now()
	seen := Seen{At: start}
	reply, body, err := h.take(r, &seen)
	if err != nil {
		var f *failure
		if !errors.As(err, &f) {
			f = unavailable(err)
		}
		seen.Outcome, seen.Status = f.outcome, f.status
		if f.cause != nil {
			seen.Why = f.cause.Error()
		}
		level := slog.LevelInfo
		if f.status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		h.Log.Log(r.Context(), level, "webhook refused", "account", seen.Account, "source", seen.Source, "status", f.status, "outcome", f.outcome, "err", f.cause)
		f.write(w)
	} else {
		seen.Outcome, seen.Status = body.Status, reply.Status
		writeReply(w, reply, body)
	}
	seen.Took = h.Now().Sub(start)
	h.Observe(seen)
}

// take reads, verifies, parses and stores.
func (h *Handler) take(r *http.Request, seen *Seen) (sources.Reply, accepted, error) {
	account, source := r.PathValue("account"), r.PathValue("source")
	route, known := h.Route(account, source)
	limit := int64(strangersBody)
	if known {
		seen.Account, seen.Source, limit = account, source, max(limit, route.MaxBody)
	}
	body, err := readBody(r, limit)
	if err != nil {
		return sources.Reply{}, accepted{}, err
	}
	req := sources.Request{
		Method: r.Method, Header: r.Header, RawQuery: r.URL.RawQuery, SubPath: r.PathValue("rest"), Body: body, Remote: h.remote(r), Received: h.Now(),
	}
	if !known {
		sources.Dummy(req) // the same work as for a known source, so that time tells nothing either
		return sources.Reply{}, accepted{}, stranger(r.Method)
	}
	reply, batch, err := route.Source.Open(r.Context(), req)
	if err != nil {
		f := refused(err)
		if m, ok := route.Source.(sources.Methods); ok && f.status == http.StatusMethodNotAllowed {
			f.allow = m.Methods()
		}
		return sources.Reply{}, accepted{}, f
	}
	if int64(len(body)) > route.MaxBody { // not before: a stranger would learn which sources there are
		return sources.Reply{}, accepted{}, tooLarge()
	}
	seen.Events, seen.Why = len(batch), reply.Why
	if err := h.pace(route, len(batch)); err != nil {
		return sources.Reply{}, accepted{}, err
	}
	answer, err := h.store(r, batch)
	if reply.Status == 0 {
		reply.Status = http.StatusAccepted
	}
	return reply, answer, err
}

// pace holds a source to its configured rate. It counts what is authentic only: strangers cannot use the rate up.
func (h *Handler) pace(route Route, n int) error {
	if route.Limiter == nil || n == 0 || route.Limiter.AllowN(h.Now(), min(n, route.Limiter.Burst())) {
		return nil
	}
	wait := time.Second
	if l := float64(route.Limiter.Limit()); l > 0 {
		wait = max(wait, time.Duration(float64(time.Second)/l))
	}
	return &failure{status: http.StatusTooManyRequests, outcome: "limited", detail: "this source sends faster than its configured rate", retryAfter: wait}
}

// store puts the events behind the durable line.
func (h *Handler) store(r *http.Request, batch []events.Event) (accepted, error) {
	answer := accepted{IDs: make([]string, 0, len(batch)), Status: "ignored"}
	if len(batch) == 0 {
		return answer, nil
	}
	trace := traceParent(r.Header)
	for i := range batch {
		if batch[i].TraceParent == "" {
			batch[i].TraceParent = trace
		}
		answer.IDs = append(answer.IDs, batch[i].ID)
	}
	// A sender that hangs up must not undo what others wait for in the same commit.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), acceptTimeout)
	defer cancel()
	duplicate, err := h.Intake.Accept(ctx, batch)
	if err != nil {
		return accepted{}, unavailable(err)
	}
	answer.Status = "duplicate"
	for _, d := range duplicate {
		if !d {
			answer.Status = "accepted"
		}
	}
	return answer, nil
}

// strangersBody is how much is read at least, whoever sends: a source with a lower max_body is told by its answer from an
// address where there is none only to those who are authentic.
const strangersBody = 1 << 20

// trustedLength is how much room a Content-Length gets before the bytes are there.
const trustedLength = 64 << 10

// readBody reads at most limit bytes within the read time.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, &failure{status: http.StatusUnsupportedMediaType, outcome: "refused", detail: "compressed bodies are not taken: the signature covers the bytes as sent"}
	}
	if r.ContentLength > limit {
		return nil, tooLarge()
	}
	if r.ContentLength > 0 && r.ContentLength <= trustedLength { // net/http reads no further
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, unreadable(err)
		}
		return body, nil
	}
	var body bytes.Buffer // as large as the sender says from the start, but no promise of much makes it large
	body.Grow(int(min(max(r.ContentLength, 0), trustedLength)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(nil, r.Body, limit))
	if err == nil {
		return body.Bytes(), nil
	}
	var over *http.MaxBytesError
	if errors.As(err, &over) {
		return nil, tooLarge()
	}
	return nil, unreadable(err)
}

func unreadable(cause error) *failure {
	return &failure{status: http.StatusBadRequest, outcome: "refused", detail: "the body could not be read", cause: cause}
}

func writeReply(w http.ResponseWriter, reply sources.Reply, body accepted) {
	for name, values := range reply.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Cache-Control", "no-store")
	if reply.ContentType != "" || reply.Body != nil || reply.Status == http.StatusNoContent {
		if reply.ContentType != "" {
			w.Header().Set("Content-Type", reply.ContentType)
		}
		w.WriteHeader(reply.Status)
		_, _ = w.Write(reply.Body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(reply.Status)
	_ = json.NewEncoder(w).Encode(body)
}

// remote is the sender's address: the peer, or what a trusted proxy says of it. Proxies append, so the list is
// read from its end and the first address that is no trusted proxy counts.
func (h *Handler) remote(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(forwarded) - 1; i >= 0 && contains(h.TrustedProxies, addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(forwarded[i]))
		if err != nil {
			break
		}
		addr = next.Unmap()
	}
	return addr
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

var traceParentForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceParent takes a W3C traceparent over, if it is one.
func traceParent(h http.Header) string {
	if v := h.Get("Traceparent"); traceParentForm.MatchString(v) {
		return v
	}
	return ""
}

// NewServer is an http.Server with every limit that slow or hostile senders need.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: readTimeout, ReadTimeout: 2 * readTimeout, WriteTimeout: 4 * acceptTimeout, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
