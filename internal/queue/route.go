package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	roundMost  = 256              // bundles taken for one round, at most …
	roundBytes = 2 << 20          // … and about so many bytes of them
	lookAgain  = 30 * time.Second // the router looks for input without being woken
	retryRound = time.Second      // after a round that failed
	indexPoll  = 20 * time.Millisecond
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
	var late overdue
	for r.w.ctx.Err() == nil {
		changed := r.w.members.changed()
		err := r.term()
		if r.w.members.owner(frontUnit) == r.w.members.self() {
			late.note(r.q.log, frontUnit, time.Now(), err)
		}
		moved := errors.Is(err, errOwned) || errors.Is(err, ErrLostOwnership) || errors.Is(err, context.Canceled)
		if err != nil && r.w.ctx.Err() == nil && !moved {
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
	l, err := r.w.take(r.w.ctx, frontUnit)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.w.ctx)
	defer cancel()
	defer func() {
		r.lease.Store(nil)
		done, cancel := r.w.givingBack()
		defer cancel()
		r.w.giveBack(done, l)
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
	msg, err := r.q.newest(ctx, streamEvents, subjectEvents+"*.*")
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

// bundles routes INTAKE. The next bundles are read while the last ones are written.
func (r *router) bundles(ctx context.Context, l *lease) error {
	c, err := r.q.consume(ctx, streamIntake, "front-new", l.Epoch(), subjectNew)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan load, 1)
	read := make(chan error, 1)
	go func() {
		defer close(ready)
		read <- r.readBundles(ctx, c, ready)
	}()
	for ld := range ready {
		if err := r.handle(ctx, l, ld); err != nil {
			cancel()
			for range ready { // until the reader has ended
			}
			return err
		}
	}
	return <-read
}

// readBundles fetches and parses.
func (r *router) readBundles(ctx context.Context, c jetstream.Consumer, ready chan<- load) error {
	var hint hint
	take := roundMost / 16
	for ctx.Err() == nil {
		msgs, err := fetch(c, take)
		if err != nil {
			return err
		}
		if len(msgs) == 0 {
			wait, ok := hint.miss()
			if !ok {
				wait = lookAgain
				r.q.accepted.clear()
				r.q.routed.clear()
			}
			select {
			case <-r.nudge:
				hint.give()
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		hint.give()
		bytes := 0
		for _, m := range msgs {
			bytes += len(m.Data())
		}
		take = min(max(roundBytes*len(msgs)/max(bytes, 1), 1), roundMost)
		select {
		case ready <- parsed(msgs, r.parseBundle):
		case <-ctx.Done():
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
			if err := r.handle(ctx, l, parsed(msgs, r.parseIngest)); err != nil {
				return err
			}
		}
	}
	return nil
}

// load is messages with what was in them.
type load struct {
	msgs  []jetstream.Msg
	items []*item
}

func parsed(msgs []jetstream.Msg, parse func(jetstream.Msg) []*item) load {
	ld := load{msgs: msgs}
	for _, m := range msgs {
		ld.items = append(ld.items, parse(m)...)
	}
	return ld
}

// handle routes messages and acknowledges them. A round that fails is tried again as long as the front is ours:
// every step of it may be repeated.
func (r *router) handle(ctx context.Context, l *lease, ld load) error {
	for {
		err := r.round(ctx, ld.items)
		if err == nil {
			break
		}
		if ctx.Err() != nil || !l.Valid() || errors.Is(err, ErrLostOwnership) {
			return err
		}
		r.q.log.Error("events could not be routed; trying again", "events", len(ld.items), "err", err)
		if !sleep(ctx, retryRound) {
			return ctx.Err()
		}
	}
	for _, m := range ld.msgs {
		if err := m.Ack(); err != nil {
			return fmt.Errorf("acknowledge input: %w", err)
		}
	}
	return nil
}
