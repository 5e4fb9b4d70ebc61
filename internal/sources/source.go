package sources

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"bridge/internal/events"
)

// Source is one configured way in. It is safe for concurrent use.
type Source interface {
	// Open proves that r comes from the sender, then says what it means: any number of events, none where the reply says
	// why (Reply.Ignored). Its errors are *Refusal, or the context's error when a certificate could not be fetched in
	// time.
	Open(ctx context.Context, r Request) (Reply, []events.Event, error)
}

// Signer makes requests as the sender would make them; every Source of New is one.
type Signer interface {
	// Sign wraps body, the payload of the sender's own event name (which may be "" where the body says it).
	Sign(event string, body []byte) (Signed, error)
}

// Methods tells which HTTP methods a sender uses; every Source of New does.
type Methods interface {
	Methods() []string
}

// Enricher asks the sender for what it left out. Sources whose deliveries can be thin are Enrichers.
type Enricher interface {
	// Enrich completes e, whose Enrich says what is missing, and clears Enrich. It leaves other events alone. A *Later
	// means that it may work later on; any other error that it never will. It can be repeated.
	Enrich(ctx context.Context, e *events.Event) error
}

// Sweeper fetches facts that never arrived. Only sources with `sweep:` in their configuration are Sweepers.
type Sweeper interface {
	// Every is the pause between two sweeps.
	Every() time.Duration
	// Sweep hands over, page by page, the events of everything that changed at or after since. Their ids are those that
	// webhooks would have given. It stops at the first error of take and returns it.
	Sweep(ctx context.Context, since time.Time, take func(context.Context, []events.Event) error) error
}

// Request is a delivery as it came in, its body read and bounded by the caller.
type Request struct {
	Method   string // "" is POST
	Header   http.Header
	RawQuery string
	SubPath  string     // what follows /hooks/{account}/{source}/ in the path
	Body     []byte     // from here on it belongs to the events that are made of it
	Remote   netip.Addr // the sender, trusted proxies resolved
	Received time.Time
}

// Signed is a request as its sender would make it, but for the host.
type Signed struct {
	Method  string
	SubPath string // to append to /hooks/{account}/{source}/
	Query   string
	Header  http.Header
	Body    []byte
}

// Reply is the answer that the sender demands.
type Reply struct {
	Status      int // 0: the caller's own answer (202 and the ids)
	ContentType string
	Body        []byte
	Header      http.Header
	Ignored     events.Reason // why there are no events: events.Ignored or events.OldFact; "" when there are some
	Why         string        // the same in words, for people; no personal data
}

// Refusal is an answer of no. Public may be shown to anybody; Cause is for the log.
type Refusal struct {
	Status int // 400, 401, 403, 405, 415
	Public string
	Hint   string // what to do about it, for whoever set the sender up; "" for requests that are not authentic
	Cause  error
}

func (r *Refusal) Error() string {
	if r.Cause == nil {
		return r.Public
	}
	return r.Public + ": " + r.Cause.Error()
}

func (r *Refusal) Unwrap() error { return r.Cause }

// notAuthentic is the one answer to requests that prove nothing; what exactly was wrong is for the log.
func notAuthentic(format string, args ...any) error {
	return &Refusal{Status: http.StatusUnauthorized, Public: "not authentic", Cause: fmt.Errorf(format, args...)}
}

func malformed(public string, cause error) error {
	return &Refusal{Status: http.StatusBadRequest, Public: public, Cause: cause}
}

// Later says that a look-up failed in a way that may heal.
type Later struct {
	At  time.Time // not before; zero: the caller decides
	Err error
}

func (l *Later) Error() string { return "try again later: " + l.Err.Error() }

func (l *Later) Unwrap() error { return l.Err }

// Mistake is something wrong in a configuration.
type Mistake struct {
	Path string // inside the source's YAML: "verify.hmac.header"; "" is the source itself
	Text string // what is wrong and what to write instead
}

func (m Mistake) String() string {
	if m.Path == "" {
		return m.Text
	}
	return m.Path + ": " + m.Text
}

// Certificates fetches public keys of senders that sign with private ones (PayPal, Adobe). Implementations cache: Open
// asks for every request. Addresses are checked against the sender's hosts before they are passed on.
type Certificates interface {
	// Certificate returns the PEM text at url: a certificate chain, leaf first, or a public key.
	Certificate(ctx context.Context, url string) ([]byte, error)
}

// Templates compiles the texts of `event:`. The variables are body (maps, lists, strings, json.Number, bool, nil),
// header and query (maps of strings, header names in lower case), received (RFC 3339) and, in items, item.
type Templates interface {
	Compile(text string) (func(vars map[string]any) (string, error), error)
}

// KeapHooks is what the keap kind has to know about the bridge's own dealings with Keap.
type KeapHooks interface {
	// Pending tells whether a hook subscription of ours waits for its handshake at this source.
	Pending(account, source string) bool
	// Ours tells whether a change was most likely our own write, so that it must not set off rules again.
	Ours(account, eventKey, objectID string, at time.Time) bool
}

// Deps is what sources use of the world. Only Now and Remember have useful zero values; what is missing is a mistake of
// the kinds that need it.
type Deps struct {
	Now          func() time.Time // nil: time.Now
	Remember     time.Duration    // facts older than this are ignored: a resend could not be told from them; 0: none are
	Certificates Certificates
	Roots        *x509.CertPool // that PayPal's certificates must lead to; nil: the system's
	Template     Templates
	HTTP         *http.Client // for look-ups, post-backs and sweeps; it must refuse private addresses and redirects to them
	Keap         KeapHooks
	Rehearsal    *Rehearsal // accepted besides PayPal's and Adobe's own keys; nil in production
}
