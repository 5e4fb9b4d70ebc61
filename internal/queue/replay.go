package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"bridge/internal/events"
)

// Stored gives an event by its account, key and position in the log; seq is 0 where it never got there. nil when
// nothing of it is left, or it could never be read.
func (q *Queue) Stored(ctx context.Context, account, key string, seq uint64) (*events.Event, error) {
	if seq == 0 {
		s, _, err := q.slot(ctx, account, key)
		if s == nil {
			return nil, err
		}
		return s.Event, err
	}
	en, err := q.entry(ctx, seq)
	if errors.Is(err, ErrUnknownEvent) {
		return nil, nil
	}
	return en.event, err
}

// Replay works a settled event once more; the worker plans it anew and skips the steps that are done. What never got to
// the log goes through the router again. done is false when the event is in hand now, or nothing of it is left.
func (q *Queue) Replay(ctx context.Context, account, key string, seq uint64, job string) (done bool, err error) {
	if !q.settledHere(ctx, key) {
		return false, nil
	}
	if seq == 0 {
		return q.routeAgain(ctx, account, key, job)
	}
	en, err := q.entry(ctx, seq)
	if errors.Is(err, ErrUnknownEvent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = q.changeMarks(ctx, key, en.seal, func(m *events.Marks, at chapter) error {
		if at == unwritten && q.opt.Now().Sub(en.event.Received) > memoryDone/2 {
			if err := q.restoreMarks(ctx, key, en.event.Received, m); err != nil {
				return err
			}
		}
		m.Discarded = false
		return nil
	})
	if err != nil {
		return false, err
	}
	return true, q.again(ctx, en, pointer{Key: key, Seq: seq, Size: en.size, Job: job, Old: true}, job)
}

// settledHere tells whether nobody in this process has the event in hand. A verdict is known to the world a moment before
// its event is let go, so it looks again for a while.
func (q *Queue) settledHere(ctx context.Context, key string) bool {
	for range 100 {
		if !q.memory.inHand(key) {
			return true
		}
		if !sleep(ctx, 10*time.Millisecond) {
			break
		}
	}
	return false
}

// again lines an event up once more, empties its slot and says so.
func (q *Queue) again(ctx context.Context, en entry, p pointer, id string) error {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	if w != nil { // where the configuration sends it today
		if group, lane, ok := w.router.ask(en.event); ok && validToken(group) {
			en.group, en.lane = group, lane
		}
	}
	unit := map[groupLane]bool{{en.group, en.lane}: true}
	if err := q.register(ctx, unit); err != nil {
		return err
	}
	s, slot, err := q.slot(ctx, en.event.Account, p.Key)
	if err != nil {
		return err
	}
	// Said before it is done: whoever works it may be faster than we are, and the last word has to be his.
	err = q.Record(ctx, events.Outcome{
		Kind: events.OutcomeState, Account: en.event.Account, Key: p.Key, Seq: p.Seq, State: events.Waiting, Job: p.Job,
	})
	if err != nil {
		return err
	}
	p.Contact = en.contact
	if _, err := q.put(ctx, p.msg(en.group, en.lane, id)); err != nil {
		return fmt.Errorf("line an event up again: %w", err)
	}
	if w != nil {
		w.wakeAll(unit, nil)
	}
	return q.dropSlot(ctx, s, slot)
}

// routeAgain hands what never got to the log to the router once more.
func (q *Queue) routeAgain(ctx context.Context, account, key, job string) (done bool, err error) {
	s, slot, err := q.slot(ctx, account, key)
	if s == nil || err != nil {
		return false, err
	}
	msg := &nats.Msg{Subject: subjectNew}
	state := events.Waiting
	switch {
	case s.Event != nil:
		if msg.Data, err = encodeEvent(s.Event); err != nil {
			return false, err
		}
		msg.Header = nats.Header{headerAccounts: {formatCounts(map[string]int{s.Event.Account: 1})}}
	case s.Raw != nil:
		msg.Subject, msg.Header, msg.Data = s.Raw.Subject, s.Raw.Header, s.Raw.Body
		state = events.Done // what it becomes has its own key
	default:
		return false, nil
	}
	// Said before it is done: see again.
	err = q.Record(ctx, events.Outcome{Kind: events.OutcomeState, Account: s.Account, Key: key, State: state, Job: job, Detail: "read again"})
	if err != nil {
		return false, err
	}
	if _, err := q.put(ctx, msg); err != nil {
		return false, fmt.Errorf("route again: %w", err)
	}
	q.wakeFront()
	return true, q.dropSlot(ctx, s, slot)
}

// Resolve answers a doubt about one step: it happened, or it did not. The event then goes on with its stored plan. An
// answer that was cut short may be given again.
func (q *Queue) Resolve(ctx context.Context, account, key string, seq uint64, step string, happened bool) error {
	en, err := q.entry(ctx, seq)
	if err != nil {
		return err
	}
	if en.event.Account != account {
		return fmt.Errorf("%w: %s has none at %d", ErrUnknownEvent, account, seq)
	}
	s, _, err := q.slot(ctx, account, key)
	if err != nil {
		return err
	}
	answer := events.StepWaiting
	if happened {
		answer = events.StepDone
	}
	var job string
	err = q.changeMarks(ctx, key, en.seal, func(m *events.Marks, _ chapter) error {
		mark, ok := m.Steps[step]
		open := ok && (mark.State == events.StepDoubt || mark.State == events.StepIntended)
		answered := ok && mark.State == answer && s != nil && s.State == events.InDoubt && s.Step == step
		if !open && !answered {
			return fmt.Errorf("step %s of event %s is not in doubt", step, key)
		}
		mark.State, mark.At = answer, q.opt.Now().UTC()
		m.Steps[step] = mark
		job = m.Job
		return nil
	})
	if err != nil {
		return err
	}
	return q.again(ctx, en, pointer{Key: key, Seq: seq, Size: en.size, Job: job, Old: true}, "resolve:"+nuid.Next())
}

// chapter is how far a journal is.
type chapter uint8

const (
	unwritten chapter = iota // nothing is stored (any more)
	begun
	finished // nothing is left to do
)

func (j *memo) chapter(m *events.Marks) chapter {
	switch {
	case j.seq == 0:
		return unwritten
	case j.plan != nil && len(j.steps) == 0 && len(m.Steps) > 0:
		return finished
	}
	return begun
}

// changeTries is how often a change is tried against somebody who writes at the same time.
const changeTries = 10

// changeMarks changes what is remembered of an event that is settled, or behind the back of whoever has it in hand:
// a worker's next write then fails, and it reads the journal again. s seals what is stored where nothing is yet; without a
// key no more than flags may be stored.
func (q *Queue) changeMarks(ctx context.Context, key string, s seal, change func(m *events.Marks, at chapter) error) error {
	for try := 1; ; try++ {
		j, marks, err := q.memory.peek(ctx, key, s)
		if err != nil {
			return err
		}
		if err := change(&marks, j.chapter(&marks)); err != nil {
			return err
		}
		if j.marks, err = json.Marshal(marks); err != nil {
			return err
		}
		j.kept = true
		if err = q.memory.store(ctx, key, j); !lostRace(err) || try == changeTries {
			return err
		}
	}
}

// peek reads what is stored of an event, whoever has it in hand.
func (m *memory) peek(ctx context.Context, key string, s seal) (*memo, events.Marks, error) {
	j := &memo{seal: s}
	var marks events.Marks
	if err := m.read(ctx, key, j); err != nil {
		return nil, marks, err
	}
	if j.marks != nil {
		if err := json.Unmarshal(j.marks, &marks); err != nil {
			return nil, marks, fmt.Errorf("read marks: %w", err)
		}
	}
	return j, marks, nil
}

// restoreMarks brings back which steps are done from the log of outcomes, where the memory of them has ended. It need not
// read on after the first time that the event was done: had it been done again, its journal would be kept.
func (q *Queue) restoreMarks(ctx context.Context, key string, since time.Time, m *events.Marks) error {
	info, err := q.info(ctx, streamOut)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := q.js.OrderedConsumer(ctx, streamOut, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since})
	if err != nil {
		return fmt.Errorf("look for done steps: %w", err)
	}
	it, err := c.Messages(jetstream.PullMaxMessages(tailRecords))
	if err != nil {
		return fmt.Errorf("look for done steps: %w", err)
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("look for done steps: %w", err)
		}
		list, err := decodeOutcomes(msg.Data())
		if err != nil {
			return err
		}
		for _, o := range list {
			if o.Key == key && o.State == events.Done && len(o.Steps) > 0 {
				markDone(m, o)
				return nil
			}
		}
		if meta, err := msg.Metadata(); err != nil || meta.NumPending == 0 {
			return err
		}
	}
}

func markDone(m *events.Marks, o events.Outcome) {
	m.Steps = map[string]events.Mark{}
	for _, s := range o.Steps {
		if s.State == events.StepDone || s.State == events.StepSkipped {
			m.Steps[s.ID] = events.Mark{State: s.State, At: o.At, Calls: s.Calls, Attempts: s.Attempts}
		}
	}
}
