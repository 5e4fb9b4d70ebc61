package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// write makes a round durable: what is put aside first, then the log, then the pointers into it. Repeating it does
// no harm: message ids and origins tell what is there already.
func (r *router) write(ctx context.Context, d *draft) error {
	if _, err := r.q.publish(ctx, d.enrich); err != nil {
		return fmt.Errorf("put events aside for enriching: %w", err)
	}
	if len(d.enrich) > 0 {
		signal(r.enrich)
	}
	for _, s := range d.failed {
		if err := r.q.fail(ctx, s, ""); err != nil {
			return err
		}
	}
	if err := r.append(ctx, d); err != nil {
		return err
	}
	if err := r.rememberFacts(ctx, d); err != nil {
		return err
	}
	if err := r.q.register(ctx, d.woken); err != nil {
		return err
	}
	upTo, err := r.q.publishWork(ctx, d.pointers)
	if err != nil {
		return fmt.Errorf("line events up: %w", err)
	}
	if err := r.q.Record(ctx, d.outcomes...); err != nil {
		return fmt.Errorf("record outcomes: %w", err)
	}
	r.w.wakeAll(d.woken, upTo)
	return nil
}

// append writes the entries of a round to the log and makes their pointers.
func (r *router) append(ctx context.Context, d *draft) error {
	for from := 0; from < len(d.events); {
		n := 1
		if len(d.events)-from >= batchFrom {
			n = cut(d.events[from:])
		}
		if err := r.appendSome(ctx, d, from, from+n); err != nil {
			return err
		}
		from += n
	}
	return r.prune(ctx)
}

// appendSome writes entries as one message or one batch. It expects the log to end where we left it: what a former
// router still sends is refused, and after an answer that was lost the end of the log tells whether they are there.
func (r *router) appendSome(ctx context.Context, d *draft, from, to int) error {
	msgs := d.events[from:to]
	msgs[0].Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(r.last, 10))
	var err error
	if len(msgs) == 1 {
		_, err = r.q.put(ctx, msgs[0])
	} else {
		_, err = r.q.publishBatch(ctx, msgs)
	}
	stored := len(msgs)
	if err != nil {
		stored, err = r.unsure(ctx, len(msgs), err)
	}
	for i := range stored {
		r.last++
		d.logged(r, d.entries[from+i], msgs[i], r.last)
	}
	return err
}

// logged notes where an entry is, and what follows from that.
func (d *draft) logged(r *router, it *item, msg *nats.Msg, seq uint64) {
	r.written[it.key] = seq
	if reason, ok := d.settled[it]; ok {
		d.outcomes = append(d.outcomes, settledOutcome(it.event, it.key, seq, reason))
		return
	}
	lane, _ := events.ParsePriority(msg.Header.Get(headerLane))
	en := entry{event: it.event, seq: seq, size: len(it.body), origin: it.origin, group: msg.Header.Get(headerGroup), lane: lane, contact: msg.Header.Get(headerContact),
		seal: parseSeal(seq, msg.Header.Get(headerSeal))}
	r.q.routed.put(seq, en, en.size)
	d.point(pointer{Key: it.key, Seq: seq, Size: en.size}, en.group, lane, en.contact)
}

// unsure finds out what a write did whose answer was lost or bad: as long as the front is ours nobody else writes
// the log, so what is beyond the end that we know is ours. The cause is returned unless all of it is there.
func (r *router) unsure(ctx context.Context, n int, cause error) (stored int, err error) {
	cause = fmt.Errorf("write the log: %w", cause)
	l := r.lease.Load()
	if l == nil || !l.Valid() || lostRace(cause) {
		return 0, fmt.Errorf("%w: %w", ErrLostOwnership, cause)
	}
	last, err := r.q.lastSeq(ctx, streamEvents)
	if err != nil || last < r.last {
		return 0, cause
	}
	if stored = int(last - r.last); stored == n {
		return n, nil
	}
	if stored > 0 { // neither all nor nothing: somebody else wrote after all
		return 0, fmt.Errorf("%w: %w", ErrLostOwnership, cause)
	}
	return 0, cause
}

// prune forgets keys that the index knows by now.
func (r *router) prune(ctx context.Context) error {
	if len(r.written) < r.pruneAt {
		return nil
	}
	at, err := r.w.ids.Position(ctx)
	if err != nil {
		return fmt.Errorf("ask the index: %w", err)
	}
	for key, seq := range r.written {
		if seq <= at.Events {
			delete(r.written, key)
		}
	}
	r.pruneAt = max(1<<14, 2*len(r.written))
	return nil
}

// fail keeps an event that needs a person, and says so.
func (q *Queue) fail(ctx context.Context, s *Slot, job string) error {
	s.Detail = conceal(s.Detail, s.Event)
	if s.private() {
		if err := q.secureDeleteLast(ctx, streamFailed, failedSubject(s.Account, s.Key)); err != nil {
			return err
		}
	}
	if _, err := q.putSlot(ctx, s); err != nil {
		return err
	}
	err := q.Record(ctx, events.Outcome{
		Kind: events.OutcomeState, At: s.At, Account: s.Account, Key: s.Key, Seq: s.Seq, State: s.State, Reason: s.Reason,
		Attempt: s.Attempt, Detail: s.Detail, Step: s.Step, Job: job, About: s.about(),
	})
	if err != nil {
		return fmt.Errorf("record a failure: %w", err)
	}
	return nil
}

// parseBundle reads a bundle of INTAKE. One that this process accepted a moment ago need not be parsed.
func (r *router) parseBundle(m jetstream.Msg) []*item {
	origin := originOf(m)
	id := m.Headers().Get(jetstream.MsgIDHeader)
	known, _ := r.q.accepted.get(id)
	r.q.accepted.drop(id)
	lines := bytes.Split(bytes.TrimSuffix(m.Data(), []byte("\n")), []byte("\n"))
	items := make([]*item, 0, len(lines))
	for n, line := range lines {
		at := origin + ":" + strconv.Itoa(n)
		if len(known) == len(lines) {
			items = append(items, &item{event: known[n], key: known[n].Key(), body: line, origin: at})
			continue
		}
		it := &item{event: &events.Event{}, body: line, origin: at}
		if err := it.event.UnmarshalJSON(line); err != nil {
			it.slot = unreadable(m, at, events.Internal, "an accepted event cannot be read back: "+err.Error())
			it.slot.Raw.Body = line
		} else {
			it.key = it.event.Key()
		}
		items = append(items, it)
	}
	return items
}

// originOf names an input message for ever: a restored stream keeps its sequences.
func originOf(m jetstream.Msg) string {
	meta, err := m.Metadata()
	if err != nil {
		return m.Subject()
	}
	return meta.Stream + ":" + strconv.FormatUint(meta.Sequence.Stream, 10)
}

// parseIngest reads what a publisher sent. The account and the source are those of the subject: that is what the
// publisher was allowed to write.
func (r *router) parseIngest(m jetstream.Msg) []*item {
	it := &item{origin: originOf(m)}
	account, source := part(m.Subject(), 1), part(m.Subject(), 2)
	if !validToken(account) || !validToken(source) {
		it.slot = unreadable(m, it.origin, events.BadSchema, "account and source in the subject must be [a-z0-9-]")
		return []*item{it}
	}
	e, err := r.q.opt.ParseIngest(account, source, canonical(m.Headers()), m.Data())
	if err == nil && (e.ID == "" || e.Type == "") {
		err = fmt.Errorf("id and type are needed")
	}
	if err != nil {
		detail := err.Error()
		if id := claimedID(m); id != "" {
			detail += fmt.Sprintf(" (its own id: %q)", id)
		}
		it.slot = unreadable(m, it.origin, events.BadSchema, detail)
		return []*item{it}
	}
	e.Account, e.Source = account, source
	if meta, err := m.Metadata(); err == nil {
		e.Received = meta.Timestamp.UTC()
	}
	if e.Time.IsZero() {
		e.Time = e.Received
	}
	if it.body, err = encodeEvent(&e); err == nil && len(it.body) > r.q.maxPayload-maxHeader {
		err = fmt.Errorf("%w: %d bytes", ErrTooLarge, len(it.body))
	}
	if err != nil { // it would be tried again for ever, and all behind it would wait
		it.slot = unreadable(m, it.origin, events.BadSchema, "the event cannot be stored: "+err.Error())
		return []*item{it}
	}
	it.event, it.key = &e, e.Key()
	return []*item{it}
}

// maxClaimed bounds what a message that is no event makes its story say.
const maxClaimed = 200

// claimedID is the id in a message that is no event of ours, for the publisher who looks for it.
func claimedID(m jetstream.Msg) string {
	var claimed struct {
		ID string `json:"id"`
	}
	if claimed.ID = canonical(m.Headers()).Get("Ce-Id"); claimed.ID == "" && json.Unmarshal(m.Data(), &claimed) != nil {
		return ""
	}
	return strings.ToValidUTF8(claimed.ID[:min(len(claimed.ID), maxClaimed)], "")
}

// canonical gives headers as net/http has them: NATS keeps the letters' case as it was sent.
func canonical(h nats.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		for _, v := range values {
			out.Add(name, v)
		}
	}
	return out
}

func unreadable(m jetstream.Msg, origin string, reason events.Reason, detail string) *Slot {
	return &Slot{
		Key: hashToken(origin), ID: strings.ToLower(origin), Account: token(part(m.Subject(), 1)), State: events.Failed, Reason: reason, Detail: detail, At: time.Now().UTC(),
		Raw: &Raw{Subject: m.Subject(), Header: publisherHeaders(m.Headers()), Body: m.Data()},
	}
}

// publisherHeaders leaves out what only the server may act on.
func publisherHeaders(h nats.Header) nats.Header {
	kept := nats.Header{}
	for name, values := range h {
		if len(name) < 5 || !bytes.EqualFold([]byte(name[:5]), []byte("nats-")) {
			kept[name] = values
		}
	}
	return kept
}

// encodedSize is room for what an event holds besides its raw body.
const encodedSize = 1 << 10

// encodeEvent gives the stored form.
func encodeEvent(e *events.Event) ([]byte, error) {
	body, err := e.AppendJSON(make([]byte, 0, len(e.Data.Raw)+encodedSize))
	if err != nil {
		return nil, fmt.Errorf("encode the event: %w", err)
	}
	return body, nil
}

// pointer is an item of WORK: where in the log the event stands. It holds no personal data.
type pointer struct {
	Key     string `json:"k"`           // Event.Key
	Seq     uint64 `json:"s"`           // position in EVENTS
	Size    int    `json:"z,omitempty"` // bytes of the event
	Contact string `json:"c,omitempty"` // hashed order key
	Job     string `json:"j,omitempty"` // replay job
	Old     bool   `json:"o,omitempty"` // the event was in hand before: its journal may hold something
}

// msg makes the message. id, where it is not empty, keeps the same request from lining the event up twice.
func (p pointer) msg(group string, lane events.Priority, id string) *nats.Msg {
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // numbers and texts
	}
	msg := &nats.Msg{Subject: workSubject(group, lane), Data: body, Header: nats.Header{}}
	if id != "" {
		msg.Header.Set(jetstream.MsgIDHeader, strconv.FormatUint(p.Seq, 10)+":"+id)
	}
	return msg
}
