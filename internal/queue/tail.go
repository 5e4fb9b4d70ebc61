package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

const (
	tailRecords = 512
	tailAhead   = 2 * tailRecords

	// A log that is written fast is handed on in few large batches: an index pays for each. One that is quiet is handed on
	// at once.
	tailBusy = 16 // records of the batch before
	tailPace = 50 * time.Millisecond

	tailLook = time.Second // outcomes that wait for their entry look so often whether it is still to come
)

// Tail follows EVENTS and OUTCOMES from a position on and hands them to fn in order, an event before its outcomes, until
// ctx ends or fn fails. Position in a record is how far both logs are read with it. Entries that are gone (aged out,
// erased) are passed over; of one that cannot be read the log tells, and its record is empty. events.ErrAhead when from lies beyond the logs.
func (q *Queue) Tail(ctx context.Context, from events.Position, fn func([]events.LogRecord) error) error {
	if err := q.notAhead(ctx, from); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	follow := func(stream string, after uint64) <-chan jetstream.Msg {
		out := make(chan jetstream.Msg, tailAhead)
		readers.Go(func() { q.follow(ctx, stream, after, out) })
		return out
	}
	t := tailer{
		at: from, fn: fn, ctx: ctx, log: q.log,
		entries: follow(streamEvents, from.Events), outcomes: follow(streamOut, from.Outcomes),
		known: q.routed.get,
		gone: func(seq uint64) bool {
			_, err := q.get(ctx, streamEvents, seq)
			return errors.Is(err, jetstream.ErrMsgNotFound)
		},
	}
	return t.run()
}

func (q *Queue) notAhead(ctx context.Context, from events.Position) error {
	for stream, at := range map[string]uint64{streamEvents: from.Events, streamOut: from.Outcomes} {
		last, err := q.lastSeq(ctx, stream)
		if err != nil {
			return err
		}
		if at > last {
			return fmt.Errorf("%w: %s ends at %d, asked for what follows %d", events.ErrAhead, stream, last, at)
		}
	}
	return nil
}

// follow sends what a stream holds after a sequence, and what comes. What interrupts it is waited out.
func (q *Queue) follow(ctx context.Context, stream string, after uint64, out chan<- jetstream.Msg) {
	for ctx.Err() == nil {
		var err error
		if after, err = q.followOnce(ctx, stream, after, out); ctx.Err() == nil {
			q.log.Warn("following a log was interrupted", "stream", stream, "err", err)
			sleep(ctx, retryRound)
		}
	}
}

func (q *Queue) followOnce(ctx context.Context, stream string, after uint64, out chan<- jetstream.Msg) (uint64, error) {
	c, err := q.js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
	})
	if err != nil {
		return after, err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(tailRecords), jetstream.PullHeartbeat(q.heartbeat()))
	if err != nil {
		return after, err
	}
	stop := context.AfterFunc(ctx, it.Stop)
	defer stop()
	defer it.Stop()
	for {
		m, err := it.Next()
		if err != nil {
			return after, err
		}
		meta, err := m.Metadata()
		if err != nil {
			return after, err
		}
		select {
		case out <- m:
			after = meta.Sequence.Stream
		case <-ctx.Done():
			return after, ctx.Err()
		}
	}
}

// heartbeat is how often a server says that a quiet log is quiet: twice as long without a word and it is asked anew. An
// embedded server does not go away alone.
func (q *Queue) heartbeat() time.Duration {
	if q.server != nil {
		return 10 * time.Second
	}
	return 2 * time.Second
}

// tailer merges the two logs.
type tailer struct {
	ctx      context.Context
	log      *slog.Logger
	at       events.Position
	fn       func([]events.LogRecord) error
	entries  <-chan jetstream.Msg
	outcomes <-chan jetstream.Msg
	gone     func(seq uint64) bool // the entry was erased or has aged out: it will not come
	known    func(seq uint64) (entry, bool)
	batch    []events.LogRecord
	pace     time.Time // a batch that is not full waits until then; zero: for nothing
}

// run merges: outcomes wait until the events that they are about have passed.
func (t *tailer) run() error {
	var held *events.LogRecord // outcomes that wait
	var until uint64           // for this entry
	for {
		if held != nil && (t.at.Events >= until || len(t.entries) == 0 && t.gone(until)) {
			t.add(*held)
			held = nil
			continue
		}
		outcomes := t.outcomes
		if held != nil {
			outcomes = nil
		}
		m, fromEvents, err := t.next(outcomes)
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		if fromEvents {
			err = t.addEntry(m)
		} else {
			held, until, err = t.parseOutcomes(m)
		}
		if err != nil {
			return err
		}
	}
}

// next waits for a message; before it waits, what is collected goes out. Without outcomes to come, because some wait for an
// entry, it waits a while only and gives nil: the entry may have been erased meanwhile.
func (t *tailer) next(outcomes <-chan jetstream.Msg) (m jetstream.Msg, fromEvents bool, err error) {
	if len(t.batch) < tailRecords {
		select {
		case m := <-t.entries:
			return m, true, nil
		default:
		}
		select {
		case m := <-outcomes:
			return m, false, nil
		default:
		}
		if wait := time.Until(t.pace); len(t.batch) > 0 && !t.pace.IsZero() && wait > 0 {
			select {
			case m := <-t.entries:
				return m, true, nil
			case m := <-outcomes:
				return m, false, nil
			case <-time.After(wait):
			case <-t.ctx.Done():
				return nil, false, t.ctx.Err()
			}
		}
	}
	if err := t.flush(); err != nil {
		return nil, false, err
	}
	var look <-chan time.Time
	if outcomes == nil {
		look = time.After(tailLook)
	}
	select {
	case m := <-t.entries:
		return m, true, nil
	case m := <-outcomes:
		return m, false, nil
	case <-look:
		return nil, false, nil
	case <-t.ctx.Done():
		return nil, false, t.ctx.Err()
	}
}

func (t *tailer) add(r events.LogRecord) {
	if r.Position.Events == 0 {
		r.Position.Events = t.at.Events
	}
	if r.Position.Outcomes == 0 {
		r.Position.Outcomes = t.at.Outcomes
	}
	t.at = r.Position
	t.batch = append(t.batch, r)
}

func (t *tailer) addEntry(m jetstream.Msg) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	en, ok := t.known(meta.Sequence.Stream)
	if !ok {
		if en, err = parseEntry(m.Headers(), m.Data(), meta.Sequence.Stream); err != nil {
			t.log.Error("an entry of the log cannot be read; passed over", "seq", meta.Sequence.Stream, "err", err)
			t.add(events.LogRecord{Position: events.Position{Events: meta.Sequence.Stream}})
			return nil
		}
	}
	t.add(events.LogRecord{
		Position: events.Position{Events: en.seq}, Event: en.event, Contact: en.contact, Group: en.group, Lane: en.lane,
	})
	return nil
}

func (t *tailer) parseOutcomes(m jetstream.Msg) (*events.LogRecord, uint64, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, 0, err
	}
	list, err := decodeOutcomes(m.Data())
	if err != nil {
		t.log.Error("outcomes cannot be read; passed over", "seq", meta.Sequence.Stream, "read", len(list), "err", err)
	}
	r := &events.LogRecord{Position: events.Position{Outcomes: meta.Sequence.Stream}, Outcomes: list}
	var until uint64
	for _, o := range list {
		until = max(until, o.Seq)
	}
	return r, until, nil
}

func (t *tailer) flush() error {
	if len(t.batch) == 0 {
		return nil
	}
	batch := t.batch
	t.batch, t.pace = nil, time.Time{}
	if len(batch) >= tailBusy {
		t.pace = time.Now().Add(tailPace)
	}
	return t.fn(batch)
}
