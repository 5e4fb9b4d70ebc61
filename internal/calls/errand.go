package calls

import (
	"context"

	"bridge/internal/events"
)

// errand is something that is found out once for everybody who needs it: one task goes, the others wait. Its look-ups
// are as urgent as the most urgent who waits, or bulk work that the day has no calls for would hold up all the others.
type errand struct {
	turn    chan struct{}               // holds one
	waiting [len(events.Priorities)]int // how many wait; the planner's lock guards it
	users   int                         // of one that is kept by key: who has it; the lock of lookups guards it
}

func newErrand() *errand { return &errand{turn: make(chan struct{}, 1)} }

// mostUrgent is the priority of the most urgent who waits; bulk when nobody does.
func (e *errand) mostUrgent() events.Priority {
	if e != nil {
		for prio, n := range e.waiting {
			if n > 0 {
				return events.Priority(prio)
			}
		}
	}
	return events.Bulk
}

// enter waits for the task's turn at an errand. leave must be called when what was to be found is known.
func (t *task) enter(ctx context.Context, e *errand) (leave func(), err error) {
	select {
	case e.turn <- struct{}{}:
	default:
		t.mu.Lock()
		e.waiting[t.Priority]++
		t.board.raiseErrand(e, t.Priority)
		t.mu.Unlock()
		t.nudge()
		defer func() {
			t.mu.Lock()
			e.waiting[t.Priority]--
			t.mu.Unlock()
		}()
		select {
		case e.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	t.errand = e
	return func() {
		t.errand = nil
		<-e.turn
	}, nil
}

// solo is a wish of the task's for a permit of its own.
func (t *task) solo(r rank) *solo {
	return &solo{prio: t.Priority, rank: r, account: t.Account, contact: t.Contact, errand: t.errand}
}
