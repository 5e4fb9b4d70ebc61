package sources

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
)

// sender is what one kind of source has to say for itself; source does what is the same for all.
type sender interface {
	proof
	read(d *delivery) (reading, error)
}

// Optional sides of a sender.
type (
	// greeter answers what is no delivery: pings, challenges, handshakes. ok is false when d is a delivery.
	greeter interface {
		greet(d *delivery) (reply Reply, ok bool, err error)
	}
	// labeler writes the event's name where the sender writes it, in headers above all.
	labeler interface {
		label(event string, out *Signed)
	}
	// answerer gives the answer that the sender demands.
	answerer interface{ answer() Reply }
	// enricher and sweeper are the inner sides of Enricher and Sweeper.
	enricher interface {
		enrich(ctx context.Context, e *events.Event) error
	}
	sweeper interface {
		sweep(ctx context.Context, since time.Time, take func([]reading) error) error
	}
)

// reading is what a delivery says.
type reading struct {
	topic   string         // the sender's own name for it
	id      string         // the sender's own id of it, for what is kept under its own name
	facts   []fact         // business facts; without any, the delivery is kept under its own name
	ignored string         // why it is nothing to keep: a test, a ping
	raw     any            // what to keep of the body; nil: all of it
	events  []events.Event // where the delivery holds events already (CloudEvents); nothing else is set then
}

// fact is one thing that happened.
type fact struct {
	typ     string    // canonical type; "" is <kind>.<topic>
	id      string    // what tells it from others of its type; "" is the body
	at      time.Time // its own time; zero when it has none
	updated time.Time // version of the state that its data shows
	subject string
	enrich  string // what it lacks; asked for where the source has `enrich:`
	must    bool   // enrich in any case: it proves the fact, or the missing half comes by itself
	raw     any    // what to keep of the body; nil: what the reading says
	data    events.Data
}

// delivery is a request on its way through one source.
type delivery struct {
	Request
	now    time.Time
	rest   string // what follows the address and its secret
	parsed *tree
	asJSON []byte // the body as it was decoded, where it is JSON
	err    error
}

// body is the decoded body, or the query where the sender uses GET.
func (d *delivery) body() (tree, error) {
	if d.parsed == nil {
		raw := d.Body
		contentType := d.Header.Get("Content-Type")
		if len(raw) == 0 && d.RawQuery != "" {
			raw, contentType = []byte(d.RawQuery), "application/x-www-form-urlencoded"
		}
		v, asJSON, err := decode(raw, contentType)
		t := newTree(v)
		d.parsed, d.asJSON, d.err = &t, asJSON, err
	}
	return *d.parsed, d.err
}

func (d *delivery) queryValue(name string) string {
	values, err := url.ParseQuery(d.RawQuery)
	if err != nil {
		return ""
	}
	return values.Get(name)
}

// source is one configured source of any kind.
type source struct {
	name, account string
	cfg           Config
	kind          *Kind
	now           func() time.Time
	remember      time.Duration
	sender        sender
	strip         []string // fields of the body that are secrets
	asks          bool     // can ask for what deliveries lack
}

// Methods tells which HTTP methods the sender uses.
func (s *source) Methods() []string { return s.kind.Methods }

// Open implements Source.
func (s *source) Open(ctx context.Context, r Request) (Reply, []events.Event, error) {
	d := &delivery{Request: r, now: s.now()}
	if d.Header == nil {
		d.Header = http.Header{}
	}
	if d.Method == "" {
		d.Method = http.MethodPost
	}
	if d.Received.IsZero() {
		d.Received = d.now
	}
	if err := s.admit(d); err != nil {
		return Reply{}, nil, err
	}
	if g, ok := s.sender.(greeter); ok {
		if reply, ok, err := g.greet(d); ok || err != nil {
			return reply, nil, err
		}
	}
	if err := s.sender.verify(ctx, d); err != nil {
		return Reply{}, nil, err
	}
	return s.read(d, s.remember)
}

// admit checks what is the same for every kind: address, method, encoding, the secret in the path.
func (s *source) admit(d *delivery) error {
	if len(s.cfg.AllowIPs) > 0 {
		remote := d.Remote.Unmap()
		if !slices.ContainsFunc(s.cfg.AllowIPs, func(p netip.Prefix) bool { return p.Contains(remote) }) {
			return &Refusal{Status: http.StatusForbidden, Public: "this address is not allowed", Hint: "add it to the source's allow_ips"}
		}
	}
	if !slices.Contains(s.kind.Methods, d.Method) {
		return MethodNotTaken()
	}
	d.rest = d.SubPath
	if want := s.cfg.PathSecret; !want.Empty() {
		var given string
		given, d.rest, _ = strings.Cut(d.SubPath, "/")
		if !want.Equal(given) {
			Dummy(d.Request)
			return notAuthentic("the secret in the path is missing or another one")
		}
	}
	if d.rest != "" && !slices.Contains(s.kind.subPaths, d.rest) {
		Dummy(d.Request)
		return notAuthentic("nothing is taken at this path")
	}
	return checkEncoding(d.Header)
}

// read turns a proved delivery into events. remember is 0 where facts of any age are wanted.
func (s *source) read(d *delivery, remember time.Duration) (Reply, []events.Event, error) {
	got, err := s.sender.read(d)
	if err != nil {
		return Reply{}, nil, err
	}
	var reply Reply
	if a, ok := s.sender.(answerer); ok {
		reply = a.answer()
	}
	if got.events != nil {
		return reply, got.events, nil
	}
	if got.ignored != "" {
		reply.Ignored, reply.Why = events.Ignored, got.ignored
		return reply, nil, nil
	}
	if d.parsed != nil && len(d.parsed.doc.bad) > 0 {
		// Authentic, but amounts that nobody can read: kept as it is, because the sender may never send it again.
		reply.Why = "kept under its own name: " + d.parsed.doc.bad[0]
		got.facts = nil
	}
	if len(got.facts) > maxFacts {
		reply.Why = fmt.Sprintf("kept under its own name: it names %d facts, and %d are taken from one delivery", len(got.facts), maxFacts)
		got.facts = nil
	}
	if len(got.facts) == 0 {
		got.facts = []fact{{id: got.id}}
	}
	out, old := s.events(d, &got, remember)
	if len(out) == 0 {
		reply.Ignored = events.OldFact
		reply.Why = fmt.Sprintf("it happened on %s, before the log's memory of %s begins", old.Format(time.DateOnly), remember)
	}
	return reply, out, nil
}

func (s *source) events(d *delivery, got *reading, remember time.Duration) (out []events.Event, old time.Time) {
	var whole json.RawMessage // the body, shared by all facts
	for i := range got.facts {
		f := &got.facts[i]
		if remember > 0 && !f.at.IsZero() && d.now.Sub(f.at) > remember {
			old = f.at
			continue
		}
		e := events.Event{
			Account: s.account, Source: s.name, Kind: s.kind.Name, Type: f.typ, Subject: f.subject,
			Time: f.at, Received: d.Received, Updated: f.updated, Data: f.data,
		}
		if s.asks || f.must {
			e.Enrich = f.enrich
		}
		if e.Type == "" {
			e.Type = s.kind.Name + "." + cleanTopic(got.topic)
		}
		if e.Time.IsZero() {
			e.Time = d.Received
		}
		id := f.id
		if id == "" {
			id = bodyID(d.Body)
			if len(d.Body) == 0 {
				id = bodyID([]byte(d.RawQuery))
			}
		}
		e.ID = cleanID(s.name + ":" + e.Type + ":" + id)
		switch {
		case f.raw != nil:
			e.Data.Raw = s.rawOf(f.raw)
		case got.raw != nil:
			e.Data.Raw = s.rawOf(got.raw)
		case e.Data.Raw == nil && (i == 0 || len(got.facts)*len(whole) <= maxRaw):
			if whole == nil {
				whole = s.raw(d)
			}
			e.Data.Raw = whole
		}
		out = append(out, e)
	}
	return out, old
}

// Sign implements Signer.
func (s *source) Sign(event string, body []byte) (Signed, error) {
	out := Signed{Method: http.MethodPost, Header: http.Header{}, Body: body}
	out.Header.Set("Content-Type", contentTypeOf(body))
	if l, ok := s.sender.(labeler); ok {
		l.label(event, &out)
	}
	if err := s.sender.sign(&out, s.now()); err != nil {
		return Signed{}, err
	}
	if !s.cfg.PathSecret.Empty() {
		out.SubPath = s.cfg.PathSecret.Reveal()
	}
	return out, nil
}

func contentTypeOf(body []byte) string {
	trimmed := strings.TrimSpace(string(body[:min(len(body), 64)]))
	switch {
	case strings.HasPrefix(trimmed, "<"):
		return "application/xml"
	case trimmed != "" && looksLikeForm([]byte(strings.TrimSpace(string(body)))):
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// enriching and sweeping lend a source the outer side of what its sender can do.
type (
	enriching struct{ s *source }
	sweeping  struct{ s *source }
)

// Enrich implements Enricher.
func (x enriching) Enrich(ctx context.Context, e *events.Event) error {
	if e.Enrich == "" {
		return nil
	}
	if err := x.s.sender.(enricher).enrich(ctx, e); err != nil {
		return err
	}
	e.Enrich = ""
	return nil
}

// Every implements Sweeper.
func (x sweeping) Every() time.Duration { return x.s.cfg.Sweep.Every }

// Sweep implements Sweeper.
func (x sweeping) Sweep(ctx context.Context, since time.Time, take func(context.Context, []events.Event) error) error {
	return x.s.sender.(sweeper).sweep(ctx, since, func(page []reading) error {
		var all []events.Event
		now := x.s.now()
		for i := range page {
			d := &delivery{Request: Request{Header: http.Header{}, Received: now}, now: now}
			found, _ := x.s.events(d, &page[i], x.s.remember)
			all = append(all, found...)
		}
		if len(all) == 0 {
			return nil
		}
		return take(ctx, all)
	})
}

// face shows exactly what the source can do, so that a type assertion tells.
func (s *source) face() Source {
	_, enriches := s.sender.(enricher)
	_, sweeps := s.sender.(sweeper)
	sweeps = sweeps && s.cfg.Sweep != nil
	switch {
	case enriches && sweeps:
		return struct {
			*source
			enriching
			sweeping
		}{s, enriching{s}, sweeping{s}}
	case enriches:
		return struct {
			*source
			enriching
		}{s, enriching{s}}
	case sweeps:
		return struct {
			*source
			sweeping
		}{s, sweeping{s}}
	}
	return s
}

// bodyID is an id for what has none of its own.
func bodyID(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// maxID is the length up to which ids are kept as they are.
const maxID = 200

// cleanID keeps ids printable, so that they can stand in headers, addresses and logs.
func cleanID(id string) string {
	if len(id) <= maxID && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) < 0 {
		return id
	}
	head, _, _ := strings.Cut(id, ":")
	return head + ":sha256:" + bodyID([]byte(id))
}

// cleanTopic keeps a topic of the sender printable and short.
func cleanTopic(topic string) string {
	topic = cleanHeader(topic, 100)
	if topic == "" {
		return "unknown"
	}
	return strings.ReplaceAll(topic, " ", "_")
}

func cleanHeader(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	return text[:min(len(text), longest)]
}

// MethodNotTaken is the refusal of a request whose method the sender's kind has no use for.
func MethodNotTaken() *Refusal {
	return &Refusal{Status: http.StatusMethodNotAllowed, Public: "this method is not taken here"}
}
