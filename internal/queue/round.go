package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// item is one event in the hands of the router.
type item struct {
	event  *events.Event
	body   []byte // as it will stand in the log; nil: encode again
	key    string
	origin string
	slot   *Slot // set when it fails here
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
	resends  int64                   // of events that came before
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
			d.resends++
			r.q.log.Info("a resend of an erased event was dropped", "key", it.key)
		case inRound[it.key]:
			d.resends++
			r.q.log.Debug("resend recognised", "key", it.key)
		default:
			known, err := r.rememberedFact(ctx, it)
			if err != nil {
				return err
			}
			if known {
				d.resends++
				continue
			}
			inRound[it.key] = true
			if err := r.place(ctx, d, it, now); err != nil {
				return err
			}
		}
	}
	if err := r.write(ctx, d); err != nil {
		return err
	}
	r.q.resends.Add(d.resends) // a round that fails is done again
	return nil
}

// Resends counts the events that the router of this process found to have come before: accepted in front, and dropped here.
func (q *Queue) Resends() int64 { return q.resends.Load() }

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
		d.resends++
		return nil // aged out or erased since
	}
	var unreadable *unreadableEntry
	if errors.As(err, &unreadable) {
		r.q.log.Error("an entry of the log cannot be read; what came for it once more is dropped", "seq", seq, "key", it.key, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	if en.origin != it.origin {
		d.resends++
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
		if it.body = body; len(body) > r.q.maxPayload-maxHeader { // it grew by what its sender was asked for
			d.fail(outgrown(it.event, len(body), now))
			return nil
		}
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

// outgrown keeps what identifies an event that no message can hold any more. Trying again would not make it smaller, and all
// behind it would wait.
func outgrown(e *events.Event, size int, now time.Time) *Slot {
	kept := *e
	kept.Data = events.Data{Contact: e.Data.Contact}
	return &Slot{
		Key: e.Key(), Account: e.Account, State: events.Failed, Reason: events.EnrichFailed, At: now.UTC(), Event: &kept,
		Detail: fmt.Sprintf("with what its sender answered it is too large to be stored: %d bytes", size),
	}
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
	p.Contact = contact
	d.pointers = append(d.pointers, p.msg(group, lane, ""))
	d.woken[groupLane{group, lane}] = true
}
