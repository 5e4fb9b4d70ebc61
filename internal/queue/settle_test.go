package queue

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bridge/internal/events"
)

// waning is a membership that ends after it was asked about a few times: a process that is paused just then.
type waning struct {
	among
	left *atomic.Int64
}

func (w waning) valid() bool { return w.left.Add(-1) >= 0 }

// handed is the first delivery that the hands of a group were given.
func handed(t *testing.T, b *bench) (*group, *taken) {
	t.Helper()
	eventually(t, "in hand", func() bool { return len(b.groups.all()) == 1 })
	b.work.mu.Lock()
	g := b.work.open["default"]
	b.work.mu.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.inHand {
		return g, d
	}
	t.Fatal("nothing is in hand")
	return nil, nil
}

// TestFormerOwnersCallNothingFailed: a process that loses its group while it records a failure leaves no failed event
// behind, wherever it was interrupted: its successor may have finished it.
func TestFormerOwnersCallNothingFailed(t *testing.T) {
	b := started(t, testOptions(t), nil)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	g, d := handed(t, b)
	for asked := range int64(3) {
		left := &atomic.Int64{}
		left.Store(asked)
		stale := &taken{msg: d.msg, workSeq: 1 << 40, pointer: d.pointer, account: d.account, lane: d.lane}
		stale.lease = &lease{q: b.Queue, members: waning{"former", left}, held: ownership{Owner: "former"}}
		err := g.settle(t.Context(), stale, events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected})
		if !errors.Is(err, ErrLostOwnership) {
			t.Errorf("asked %d times: %v", asked, err)
		}
		if got := b.slots(t); len(got) != 0 {
			t.Errorf("asked %d times: failed %v", asked, got)
		}
	}
	left := &atomic.Int64{}
	left.Store(1 << 20)
	own := &taken{pointer: d.pointer, lease: &lease{q: b.Queue, members: waning{"owner", left}, held: ownership{Owner: "owner"}}}
	slot := &Slot{Key: e.Key(), Account: e.Account, State: events.Failed}
	for range 2 { // it may be tried again
		if err := g.bury(t.Context(), own, slot); err != nil || len(b.slots(t)) != 1 {
			t.Errorf("the owner cannot record a failure: %v", err)
		}
	}
	if states := strings.Join(b.index.states(e.Key()), " "); strings.Contains(states, "failed") {
		t.Errorf("said to have failed: %s", states)
	}
}

// TestParkingWaitsForNobody: while the journal of a parked event is being written, its group goes on.
func TestParkingWaitsForNobody(t *testing.T) {
	b := started(t, testOptions(t), nil)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	g, d := handed(t, b)
	journal := b.memory.hold(e.Key(), false, seal{})
	defer b.memory.release(e.Key())
	journal.mu.Lock() // as a write does until it is durable
	settled := make(chan error, 1)
	go func() {
		settled <- g.settle(t.Context(), d, events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait, Until: time.Now().Add(time.Hour)})
	}()
	eventually(t, "the group sees it parked", func() bool {
		if !g.mu.TryLock() {
			return false
		}
		defer g.mu.Unlock()
		return d.parked
	})
	journal.mu.Unlock()
	if err := <-settled; err != nil {
		t.Error(err)
	}
}
