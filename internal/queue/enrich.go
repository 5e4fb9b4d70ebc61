package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// Later is an error of Front.Enrich that heals: the sender could not be asked now. It is tried again after After (or
// the queue's own delay, whichever is longer).
type Later struct {
	After time.Duration
	Err   error
}

func (l *Later) Error() string { return "later: " + l.Err.Error() }

// Unwrap gives the cause.
func (l *Later) Unwrap() error { return l.Err }

// A sender is asked for at most enrichFor; the delays double from enrichFirst to enrichMost. At most
// enrichAtOnce senders are asked at a time.
const (
	enrichFor    = 24 * time.Hour
	enrichFirst  = 2 * time.Second
	enrichMost   = 15 * time.Minute
	enrichAtOnce = 8
	enrichInHand = 5000 // events that are asked for or wait to be; the rest waits on disk
	enrichCall   = 30 * time.Second
)

// enrichMsg puts an event aside for enriching. Its id names the input too: a round that is repeated must not put it aside
// twice, but a replay of what could not be enriched a moment ago is a new question.
func enrichMsg(it *item) (*nats.Msg, error) {
	body, err := encodeEvent(it.event)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: subjectEnrich, Data: body, Header: nats.Header{
		jetstream.MsgIDHeader: {it.key + ":" + it.origin}, headerOrigin: {it.origin}, headerAccounts: {formatCounts(map[string]int{it.event.Account: 1})},
	}}, nil
}

// enriching asks senders for what they left out, apart from the line: nobody else waits for that.
func (r *router) enriching(ctx context.Context, l *lease) error {
	c, err := r.q.consume(ctx, streamIntake, "front-enrich", l.Epoch(), subjectEnrich)
	if err != nil {
		return err
	}
	room := make(chan struct{}, enrichAtOnce)
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // whatever ends it: who waits to ask again would wait for hours
	progress := &inProgress{}
	tick := time.NewTicker(ackProgress)
	defer tick.Stop()
	var hint hint
	for ctx.Err() == nil {
		msgs, err := r.takeEnrich(c, enrichInHand-progress.count())
		if err != nil {
			return err
		}
		for _, m := range msgs {
			progress.add(m)
			asking.Go(func() {
				defer signal(r.enrich) // there may be room again
				defer progress.remove(m)
				r.enrichOne(ctx, l, m, room)
			})
		}
		if len(msgs) > 0 {
			hint.give()
			continue
		}
		wait, ok := hint.miss()
		if !ok {
			wait = lookAgain
		}
		select {
		case <-r.enrich:
			hint.give()
		case <-time.After(wait):
		case <-tick.C:
			progress.report()
		case <-ctx.Done():
		}
	}
	return nil
}

func (r *router) takeEnrich(c jetstream.Consumer, room int) ([]jetstream.Msg, error) {
	if room <= 0 {
		return nil, nil
	}
	return fetch(c, min(room, batchMost))
}

// enrichOne asks until there is an answer, and then routes the event.
func (r *router) enrichOne(ctx context.Context, l *lease, m jetstream.Msg, room chan struct{}) {
	it := &item{event: &events.Event{}, origin: m.Headers().Get(headerOrigin)}
	if err := it.event.UnmarshalJSON(m.Data()); err != nil {
		it.slot = unreadable(m, it.origin, events.Internal, "an accepted event cannot be read back: "+err.Error())
	} else {
		it.key = it.event.Key()
		for wait := enrichFirst; ; wait = min(2*wait, enrichMost) {
			after, err := r.askSender(ctx, it.event, room)
			if ctx.Err() != nil {
				return // the next owner asks again
			}
			if err == nil {
				r.renamed(it)
				break
			}
			if after == 0 || r.q.opt.Now().Sub(it.event.Received) > enrichFor {
				it.slot = &Slot{
					Key: it.key, Account: it.event.Account, State: events.Failed, Reason: events.EnrichFailed, At: r.q.opt.Now().UTC(), Event: it.event,
					Detail: "the sender did not say what its webhook left out: " + err.Error(),
				}
				break
			}
			if r.overtaken(ctx, it) {
				break
			}
			wait = max(wait, after)
			until := r.q.opt.Now().Add(wait).UTC()
			r.q.RecordLater(events.Outcome{
				Kind: events.OutcomeState, Account: it.event.Account, Key: it.key, State: events.Parked, Reason: events.EnrichWait, Until: &until,
				Detail: conceal(err.Error(), it.event),
				About:  aboutEvent(it.event),
			})
			if !sleep(ctx, wait) {
				return
			}
		}
	}
	if err := r.handle(ctx, l, load{[]jetstream.Msg{m}, []*item{it}}); err != nil && ctx.Err() == nil {
		r.q.log.Error("an enriched event could not be routed", "key", it.key, "err", err)
	}
}

// overtaken tells whether another delivery of the same fact, which lacked nothing, was routed meanwhile. Its story goes on;
// this one ends as a resend.
func (r *router) overtaken(ctx context.Context, it *item) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, err := r.lookup(ctx, []*item{it})
	return err == nil && known[it.key] > 0
}

// askSender asks once. after is 0 when asking again cannot help.
func (r *router) askSender(ctx context.Context, e *events.Event, room chan struct{}) (after time.Duration, err error) {
	select {
	case room <- struct{}{}:
		defer func() { <-room }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() {
		if p := recover(); p != nil {
			after, err = 0, fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, enrichCall)
	defer cancel()
	err = r.w.front.Enrich(ctx, e)
	if err == nil {
		e.Enrich = ""
		return 0, nil
	}
	var later *Later
	if errors.As(err, &later) {
		return max(later.After, time.Millisecond), err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return time.Millisecond, err
	}
	return 0, err
}

// renamed follows an event whose look-up told which fact it is, and so its id: from here on it is recognised by that.
func (r *router) renamed(it *item) {
	before := it.key
	if it.key = it.event.Key(); it.key == before {
		return
	}
	r.q.RecordLater(events.Outcome{
		Kind: events.OutcomeState, At: r.q.opt.Now().UTC(), Account: it.event.Account, Key: before, State: events.Done, Reason: events.Duplicate,
		Detail: "the sender's answer told which fact it is: it goes on as " + it.event.ID,
	})
}

// inProgress keeps messages in hand from being delivered again.
type inProgress struct {
	mu   sync.Mutex
	msgs map[jetstream.Msg]bool
}

func (p *inProgress) add(m jetstream.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.msgs == nil {
		p.msgs = map[jetstream.Msg]bool{}
	}
	p.msgs[m] = true
}

func (p *inProgress) remove(m jetstream.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.msgs, m)
}

func (p *inProgress) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.msgs)
}

func (p *inProgress) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for m := range p.msgs {
		_ = m.InProgress() // the worst that follows is a second delivery
	}
}
