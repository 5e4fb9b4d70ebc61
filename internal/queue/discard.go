package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nuid"

	"bridge/internal/events"
)

// undoFor is how long a discarded event can be put back: the 30 days that operators are promised, and a day to spare.
const undoFor = 31 * 24 * time.Hour

// Discard drops an event that is not done. What is lined up or in hand stops before its next step. done is
// false when the event is done already, or nothing of it is left.
func (q *Queue) Discard(ctx context.Context, account, key string, seq uint64, job string) (done bool, err error) {
	s, at, err := q.slot(ctx, account, key)
	if err != nil || s == nil && seq == 0 {
		return false, err
	}
	over := false // done, or discarded before
	err = q.changeMarks(ctx, key, seal{}, func(m *events.Marks, at chapter) error {
		// With a slot it is neither: then an earlier discard was cut short.
		if over = s == nil && (m.Discarded || at == finished); !over {
			m.Discarded = true
		}
		return nil
	})
	if err != nil || over {
		return false, err
	}
	if s != nil { // kept for Restore
		body, err := json.Marshal(s)
		if err != nil {
			return false, err
		}
		if s.private() { // the server keeps older versions
			if err := q.secureDeleteLast(ctx, streamMemory, subjectMemory+undoKey(key)); err != nil {
				return false, err
			}
		}
		if _, err := q.memory.put(ctx, memoryMsg(undoKey(key), body, undoFor)); err != nil {
			return false, fmt.Errorf("keep what is discarded: %w", err)
		}
	}
	err = q.Record(ctx, events.Outcome{
		Kind: events.OutcomeState, Account: account, Key: key, Seq: seq, State: events.StateDiscarded, Reason: events.Discarded, Job: job,
	})
	if err != nil {
		return false, err
	}
	if s != nil { // last: as long as it is there, a discard can be repeated
		if err := q.dropSlot(ctx, s, at); err != nil {
			return false, err
		}
	}
	q.hurry(key)
	return true, nil
}

func undoKey(key string) string { return "undo." + key }

// Restore puts a discarded event back to where it was: failed and in-doubt events into their slots, the others into
// line. done is false when it is not discarded any more.
func (q *Queue) Restore(ctx context.Context, account, key string, seq uint64, job string) (done bool, err error) {
	discarded := false
	err = q.changeMarks(ctx, key, seal{}, func(m *events.Marks, _ chapter) error {
		discarded, m.Discarded = m.Discarded, false
		return nil
	})
	if err != nil || !discarded {
		return false, err
	}
	body, _, err := q.memory.load(ctx, undoKey(key))
	if err != nil {
		return false, err
	}
	if body != nil {
		var s Slot
		if err := json.Unmarshal(body, &s); err != nil {
			return false, fmt.Errorf("read what was discarded: %w", err)
		}
		s.At = q.opt.Now().UTC()
		return true, q.fail(ctx, &s, job)
	}
	en, err := q.entry(ctx, seq)
	if errors.Is(err, ErrUnknownEvent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, q.again(ctx, en, pointer{Key: key, Seq: seq, Size: en.size, Old: true}, "restore:"+nuid.Next())
}

// hurry makes a parked event due now, so that what changed about it takes effect.
func (q *Queue) hurry(key string) {
	for _, g := range q.openGroups() {
		g.mu.Lock()
		var seq uint64
		for _, t := range g.inHand {
			if t.pointer.Key == key {
				seq = t.pointer.Seq
			}
		}
		g.mu.Unlock()
		if seq > 0 {
			g.hurry(seq)
		}
	}
}

func (g *group) hurry(seq uint64) {
	g.mu.Lock()
	h, ok := g.hands.(Hurrier)
	g.mu.Unlock()
	if ok {
		h.Hurry(seq)
	}
}

func (q *Queue) openGroups() []*group {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.open))
}
