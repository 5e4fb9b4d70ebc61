package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// settleFor is how long a verdict is tried to be recorded: longer than a stream without a leader takes.
const settleFor = 20 * time.Second

// settle records a verdict and acts on it. Here, in gone, in failUnreadable and in the router's handle are the only acknowledgements. A
// failure breaks the group's term: the hands drop the delivery, and everything unsettled is delivered anew, in order.
func (g *group) settle(ctx context.Context, t *taken, v events.Verdict) error {
	g.mu.Lock()
	withdrawn := t.withdrawn
	g.mu.Unlock()
	if withdrawn {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	var err error
	for {
		if !t.lease.Valid() {
			err = ErrLostOwnership
			break
		}
		if err = g.record(ctx, t, v); err == nil || !sleep(ctx, retryRound/4) {
			break
		}
	}
	if err == nil && v.State() != events.Parked {
		err = acknowledge(ctx, t.current(g))
	}
	if err != nil {
		g.takeBack(t)
	}
	return g.after(t, v, err)
}

// after takes a delivery off the list, or counts it as parked.
func (g *group) after(t *taken, v events.Verdict, err error) error {
	if err == nil && v.State() == events.Parked {
		g.park(t)
		g.q.memory.forget(t.pointer.Key) // it may wait for a write
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil && g.broken == nil && g.inHand[t.workSeq] == t { // a verdict on what an earlier term left behind breaks nothing
		g.broken = fmt.Errorf("settle: %w", err)
	}
	g.letGo(t)
	if err != nil {
		signal(g.nudge)
	}
	return err
}

func (t *taken) current(g *group) *delivered {
	g.mu.Lock()
	defer g.mu.Unlock()
	return t.msg
}

// acknowledge waits for the server's word: a former owner's acknowledgement is refused, because its consumer is gone.
func acknowledge(ctx context.Context, m *delivered) error {
	if err := m.DoubleAck(ctx); err != nil {
		return fmt.Errorf("acknowledge: %w", err)
	}
	return nil
}

// record writes what became of the event. What only parks it need not be waited for: losing it loses nothing.
func (g *group) record(ctx context.Context, t *taken, v events.Verdict) error {
	o := events.Outcome{
		Kind: events.OutcomeState, At: g.q.opt.Now().UTC(), Account: t.account, Key: t.pointer.Key, Seq: t.pointer.Seq,
		State: v.State(), Reason: v.Reason, Attempt: v.Attempt, Detail: v.Detail, Step: v.Step, Steps: v.Steps,
		Rules: v.Rules, Job: t.pointer.Job,
	}
	if v.Kind != events.VerdictSnooze && says(&o) { // whoever snoozes says why in words of our own
		en, err := g.q.entry(ctx, t.pointer.Seq)
		if err != nil && !errors.Is(err, ErrUnknownEvent) {
			return err
		}
		concealAll(&o, en.event)
	}
	switch v.Kind {
	case events.VerdictMove:
		return g.move(ctx, t)
	case events.VerdictSnooze, events.VerdictRetry:
		until := v.Until.UTC()
		o.Until = &until
		g.q.RecordLater(o)
		return nil
	case events.VerdictBury, events.VerdictDoubt:
		slot := &Slot{
			Key: o.Key, Account: o.Account, Seq: o.Seq, State: o.State, Reason: o.Reason, Detail: o.Detail, Step: o.Step, Attempt: o.Attempt, At: o.At,
		}
		if err := g.bury(ctx, t, slot); err != nil {
			return err
		}
	case events.VerdictDone:
		if v.Reason == events.Discarded {
			o.State = events.StateDiscarded
		}
		if t.pointer.Old { // a replay that was cut short may have left its slot
			if err := g.q.clearSlot(ctx, o.Account, o.Key); err != nil {
				return err
			}
		}
	}
	return g.q.Record(ctx, o)
}

// bury puts an event into its slot, unless another owner has done so since, or may: a process that was paused between two
// lines must not call failed what its successor has finished.
func (g *group) bury(ctx context.Context, t *taken, s *Slot) error {
	_, before, err := g.q.slot(ctx, s.Account, s.Key)
	if err != nil {
		return err
	}
	if !t.lease.Valid() {
		return ErrLostOwnership
	}
	t.slot, err = g.q.putSlot(ctx, s, jetstream.WithExpectLastSequencePerSubject(before))
	if lostRace(err) || err == nil && !t.lease.Valid() {
		return ErrLostOwnership
	}
	return err
}

// takeBack empties the slot that a verdict filled which does not count, because the event has another owner.
func (g *group) takeBack(t *taken) {
	if t.slot == 0 || t.lease.Valid() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleFor)
	defer cancel()
	if err := g.q.dropSlot(ctx, nil, t.slot); err != nil {
		g.q.log.Error("an event that another process has taken over may be listed as failed", "key", t.pointer.Key, "err", err)
	}
}

// move lines an event up where the configuration has its account now.
func (g *group) move(ctx context.Context, t *taken) error {
	en, err := g.q.entry(ctx, t.pointer.Seq)
	if errors.Is(err, ErrUnknownEvent) {
		return nil // erased meanwhile: there is nothing to move
	}
	if err != nil {
		return err
	}
	p := t.pointer
	p.Old = true
	return g.q.again(ctx, en, p, "moved:"+strconv.FormatUint(t.workSeq, 10))
}

// park counts a delivery as parked until its next verdict.
func (g *group) park(t *taken) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !t.parked && g.inHand[t.workSeq] == t {
		t.parked = true
		t.lane.parked++
	}
}

// gone settles a pointer whose event the log does not hold any more: it was erased, or it waited longer than the
// log is kept.
func (g *group) gone(ctx context.Context, t *taken, m *delivered) error {
	o := events.Outcome{
		Kind: events.OutcomeState, Key: t.pointer.Key, Seq: t.pointer.Seq, State: events.Done, Reason: events.Erased, Job: t.pointer.Job,
		Detail: "the log does not hold the event any more",
	}
	if err := g.q.Record(ctx, o); err != nil {
		return err
	}
	return acknowledge(ctx, m)
}

// failUnreadable puts a pointer whose event stands in the log and cannot be read where a person sees it.
func (g *group) failUnreadable(ctx context.Context, t *taken, m *delivered, cause *unreadableEntry) error {
	g.q.log.Error("an event of the log cannot be read; it failed", "seq", t.pointer.Seq, "key", t.pointer.Key, "err", cause)
	s := &Slot{
		Key: t.pointer.Key, Account: cause.account, Seq: t.pointer.Seq, State: events.Failed, Reason: events.Internal, At: g.q.opt.Now().UTC(),
		Detail: "the event stands in the log and cannot be read; the log of the bridge says why, and the sender may be asked to send it again under another id",
	}
	if err := g.q.fail(ctx, s, t.pointer.Job); err != nil {
		return err
	}
	return acknowledge(ctx, m)
}
