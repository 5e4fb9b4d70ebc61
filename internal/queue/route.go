package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

const (
	roundMessages = 16               // bundles taken for one round
	lookAgain     = 30 * time.Second // the router looks for input without being woken
	retryRound    = time.Second      // after a round that failed
	indexPoll     = 20 * time.Millisecond
)

// router writes what was accepted to the log and lines it up for its quota group. One process routes at a time.
type router struct {
	w      *work
	q      *Queue
	nudge  chan struct{}
	lease  atomic.Pointer[lease]
	enrich chan struct{} // nudges the enricher
	graves chan struct{} // says that another process erased events

	mu      sync.Mutex // one round at a time
	last    uint64     // newest entry of EVENTS; the next write expects it, which fences a former router
	written map[string]uint64
	pruneAt int
	gone    map[string]bool // keys of erased events
}

func newRouter(w *work) *router {
	return &router{w: w, q: w.q, nudge: make(chan struct{}, 1), enrich: make(chan struct{}, 1), graves: make(chan struct{}, 1)}
}

func (r *router) wakeUp() { signal(r.nudge) }

func (r *router) owned() bool {
	l := r.lease.Load()
	return l != nil && l.Valid()
}

// run routes for as long as this process owns the front, and waits for its turn otherwise.
func (r *router) run() {
	for r.w.ctx.Err() == nil {
		changed := r.w.members.changed()
		err := r.term()
		if err != nil && r.w.ctx.Err() == nil && !errors.Is(err, errOwned) && !errors.Is(err, ErrLostOwnership) {
			r.q.log.Error("routing stopped; trying again", "err", err)
		}
		select {
		case <-changed:
		case <-time.After(retryRound):
		case <-r.w.ctx.Done():
		}
	}
}

// term is one ownership of the front.
func (r *router) term() error {
	m := r.w.members
	if m.owner(frontUnit) != m.self() {
		return errOwned
	}
	l, err := r.q.acquire(r.w.ctx, m, frontUnit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.w.ctx)
	defer cancel()
	defer func() {
		r.lease.Store(nil)
		done, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		if err := l.release(done); err != nil {
			r.q.log.Warn("routing could not be given back", "err", err)
		}
	}()
	if err := r.begin(ctx); err != nil {
		return err
	}
	r.lease.Store(l)
	var inputs sync.WaitGroup
	failed := make(chan error, 3)
	for _, in := range []func(context.Context, *lease) error{r.bundles, r.ingest, r.enriching} {
		inputs.Go(func() {
			failed <- in(ctx, l)
			cancel()
		})
	}
	inputs.Go(func() {
		defer cancel()
		r.guard(ctx, l)
	})
	inputs.Wait()
	return <-failed
}

// guard returns when another process is to route.
func (r *router) guard(ctx context.Context, l *lease) {
	m := r.w.members
	for l.Valid() && m.owner(frontUnit) == m.self() {
		select {
		case <-ctx.Done():
			return
		case <-m.changed():
		case <-time.After(retryRound):
		case <-r.graves:
			if err := r.loadTombstones(ctx); err != nil && ctx.Err() == nil {
				r.q.log.Error("an erasure was not noticed", "err", err)
			}
		}
	}
}

// begin waits until the index of ids knows all that the log holds: from here on it and written know every key.
func (r *router) begin(ctx context.Context) error {
	last, err := r.q.lastSeq(ctx, streamEvents)
	if err != nil {
		return err
	}
	var newest uint64 // that is still there; the index never hears of what is gone
	msg, err := r.q.newest(ctx, streamEvents, subjectEvents+"*.*.*")
	if err == nil {
		newest = msg.Sequence
	} else if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("read the log: %w", err)
	}
	r.mu.Lock()
	r.last, r.written, r.pruneAt = last, map[string]uint64{}, 1<<14
	r.mu.Unlock()
	if err := r.loadTombstones(ctx); err != nil {
		return err
	}
	for begin := time.Now(); ; {
		at, err := r.w.ids.Position(ctx)
		if err != nil {
			return fmt.Errorf("ask the index: %w", err)
		}
		if newest <= at.Events && at.Events <= last { // beyond the end: an index of another log, about to be built anew
			return nil
		}
		if time.Since(begin) > lookAgain {
			r.q.log.Info("routing waits for the index of events", "at", at.Events, "of", last)
			begin = time.Now()
		}
		if !sleep(ctx, indexPoll) {
			return ctx.Err()
		}
	}
}

// bundles routes INTAKE.
func (r *router) bundles(ctx context.Context, l *lease) error {
	c, err := r.q.consume(ctx, streamIntake, "front-new", l.Epoch(), subjectNew)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		msgs, err := fetch(c, roundMessages)
		if errors.Is(err, errNoAnswer) {
			continue
		}
		if err != nil {
			return err
		}
		if len(msgs) == 0 {
			select {
			case <-r.nudge:
			case <-time.After(lookAgain):
			case <-ctx.Done():
			}
			continue
		}
		if err := r.handle(ctx, l, msgs, parseBundle); err != nil {
			return err
		}
	}
	return nil
}

// ingest routes what publishers send.
func (r *router) ingest(ctx context.Context, l *lease) error {
	c, err := r.q.consume(ctx, streamIngest, "front-ingest", l.Epoch(), subjectIngest+"*.*")
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		msgs, err := await(ctx, c, batchMost, lookAgain)
		if err != nil {
			return err
		}
		if len(msgs) > 0 {
			if err := r.handle(ctx, l, msgs, r.parseIngest); err != nil {
				return err
			}
		}
	}
	return nil
}

// item is one event in the hands of the router.
type item struct {
	event  *events.Event
	body   []byte // as it will stand in the log; nil: encode again
	key    string
	origin string
	slot   *Slot // set when it fails here
}

// handle routes messages and acknowledges them. A round that fails is tried again as long as the front is ours:
// every step of it may be repeated.
func (r *router) handle(ctx context.Context, l *lease, msgs []jetstream.Msg, parse func(jetstream.Msg) []*item) error {
	var items []*item
	for _, m := range msgs {
		items = append(items, parse(m)...)
	}
	for {
		err := r.round(ctx, items)
		if err == nil {
			break
		}
		if ctx.Err() != nil || !l.Valid() || errors.Is(err, ErrLostOwnership) {
			return err
		}
		r.q.log.Error("events could not be routed; trying again", "events", len(items), "err", err)
		if !sleep(ctx, retryRound) {
			return ctx.Err()
		}
	}
	for _, m := range msgs {
		if err := m.Ack(); err != nil {
			return fmt.Errorf("acknowledge input: %w", err)
		}
	}
	return nil
}

// draft is what one round is going to write.
type draft struct {
	entries  []*item // with a place in the log still to be given
	events   []*nats.Msg
	enrich   []*nats.Msg
	failed   []*Slot
	pointers []*nats.Msg
	outcomes []events.Outcome
	woken    map[groupLane]bool
	settled  map[*item]events.Reason // written to the log, but not to be worked
	versions map[string]time.Time    // of things whose newest state this round handles, by memory key
}

// round routes items: each is recognised, enriched elsewhere, failed or written. Only when all of it is durable
// may the input be acknowledged.
func (r *router) round(ctx context.Context, items []*item) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, err := r.lookup(ctx, items)
	if err != nil {
		return err
	}
	d := &draft{woken: map[groupLane]bool{}, settled: map[*item]events.Reason{}, versions: map[string]time.Time{}}
	now := r.q.opt.Now()
	inRound := map[string]bool{}
	for _, it := range items {
		switch {
		case it.slot != nil:
			d.fail(it.slot)
		case known[it.key] > 0:
			if err := r.seen(ctx, d, it, known[it.key]); err != nil {
				return err
			}
		case r.gone[it.key]:
			r.q.log.Info("a resend of an erased event was dropped", "key", it.key)
		case inRound[it.key]:
			r.q.log.Debug("resend recognised", "key", it.key)
		default:
			known, err := r.rememberedFact(ctx, it)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			inRound[it.key] = true
			if err := r.place(ctx, d, it, now); err != nil {
				return err
			}
		}
	}
	return r.write(ctx, d)
}

// lookup finds which keys the log holds.
func (r *router) lookup(ctx context.Context, items []*item) (map[string]uint64, error) {
	known := make(map[string]uint64)
	var ask []string
	for _, it := range items {
		if it.slot != nil {
			continue
		}
		if seq, ok := r.written[it.key]; ok {
			known[it.key] = seq
			continue
		}
		ask = append(ask, it.key)
	}
	if len(ask) == 0 {
		return known, nil
	}
	found, err := r.w.ids.Lookup(ctx, ask)
	if err != nil {
		return nil, fmt.Errorf("ask the index: %w", err)
	}
	for key, seq := range found {
		known[key] = seq
	}
	return known, nil
}

// seen handles an event that the log holds already: an own routing that a crash cut short is finished, a resend dropped.
func (r *router) seen(ctx context.Context, d *draft, it *item, seq uint64) error {
	en, err := r.q.entry(ctx, seq)
	if errors.Is(err, ErrUnknownEvent) {
		return nil // aged out or erased since
	}
	if err != nil {
		return err
	}
	if en.origin != it.origin {
		r.q.log.Debug("resend recognised", "key", it.key)
		return nil
	}
	reason, err := r.unworked(ctx, d, en.event, en.event.Received)
	if err != nil {
		return err
	}
	if reason != events.NoReason {
		d.outcomes = append(d.outcomes, settledOutcome(en.event, it.key, seq, reason))
		return nil
	}
	// An earlier pointer may have been worked and acknowledged already, which makes JetStream forget its id.
	d.point(pointer{Key: it.key, Seq: seq, Size: en.size, Old: true}, en.group, en.lane, en.contact)
	return nil
}

// place decides where a new event goes.
func (r *router) place(ctx context.Context, d *draft, it *item, now time.Time) error {
	if it.event.Enrich != "" {
		msg, err := enrichMsg(it)
		if err != nil {
			return err
		}
		d.enrich = append(d.enrich, msg)
		return nil
	}
	group, lane, ok := r.ask(it.event)
	if !ok || !validToken(group) {
		d.fail(&Slot{
			Key: it.key, Account: it.event.Account, State: events.Failed, Reason: events.NotConfigured, At: now.UTC(), Event: it.event,
			Detail: "the account or source of this event is not in the configuration; add it and replay the event",
		})
		return nil
	}
	contact := r.q.ContactHash(it.event.OrderKey())
	if it.body == nil {
		body, err := encodeEvent(it.event)
		if err != nil {
			return err
		}
		it.body = body
	}
	reason, err := r.unworked(ctx, d, it.event, now)
	if err != nil {
		return err
	}
	if reason != events.NoReason {
		d.settled[it] = reason
	}
	d.entries = append(d.entries, it)
	d.events = append(d.events, entryMsg(it.event, it.body, contact, group, lane, it.origin))
	return nil
}

// ask is Front.Route; a panic in it must not stop everybody's routing.
func (r *router) ask(e *events.Event) (group string, lane events.Priority, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			r.q.log.Error("routing an event panicked", "key", e.Key(), "panic", p)
			ok = false
		}
	}()
	return r.w.front.Route(e)
}

func settledOutcome(e *events.Event, key string, seq uint64, reason events.Reason) events.Outcome {
	return events.Outcome{Kind: events.OutcomeState, Account: e.Account, Key: key, Seq: seq, State: events.Done, Reason: reason}
}

func (d *draft) fail(s *Slot) { d.failed = append(d.failed, s) }

// point lines an entry of the log up for its group.
func (d *draft) point(p pointer, group string, lane events.Priority, contact string) {
	d.pointers = append(d.pointers, p.msg(group, lane, contact, ""))
	d.woken[groupLane{group, lane}] = true
}
