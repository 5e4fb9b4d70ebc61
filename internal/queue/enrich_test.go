package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"bridge/internal/events"
)

// startEnriching starts a queue whose senders are asked by enrich.
func startEnriching(t *testing.T, enrich func(*events.Event) error) *bench {
	t.Helper()
	b := &bench{Queue: openQueue(t, testOptions(t)), groups: &testGroups{decide: done}, front: &testFront{enrich: enrich}}
	b.start(t)
	return b
}

func meagre(id, email string) events.Event {
	e := event(id, email)
	e.Enrich = "order"
	return e
}

// TestReplayAsksTheSenderAgain: an event that failed because its sender could not be asked is asked for anew by a replay,
// however soon that comes.
func TestReplayAsksTheSenderAgain(t *testing.T) {
	var fixed atomic.Bool
	b := startEnriching(t, func(*events.Event) error {
		if fixed.Load() {
			return nil
		}
		return errors.New("the API key is wrong")
	})
	e := meagre("1", "ann@example.com")
	accept(t, b.Queue, e)
	eventually(t, "failed", func() bool { return b.index.last(e.Key()) == "failed/enrich.failed" })
	fixed.Store(true)
	if ok, err := b.Replay(context.Background(), e.Account, e.Key(), 0, "job-1"); !ok || err != nil {
		t.Fatalf("replay: %v, %v", ok, err)
	}
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
	if got := b.slots(t); len(got) != 0 {
		t.Errorf("still failed: %v", got)
	}
}
