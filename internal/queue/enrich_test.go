package queue

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// TestOneSenderThatIsAwayStopsNobody: when the enricher loses its consumer while it waits to ask a sender again, it begins
// anew at once, with that sender and with all others.
func TestOneSenderThatIsAwayStopsNobody(t *testing.T) {
	var asked atomic.Int64
	b := startEnriching(t, func(e *events.Event) error {
		if e.ID != "away" {
			return nil
		}
		asked.Add(1)
		return &Later{After: time.Hour, Err: errors.New("the shop is down")}
	})
	accept(t, b.Queue, meagre("away", "ann@example.com"))
	eventually(t, "the first sender was asked", func() bool { return asked.Load() == 1 })
	lost := false // an external server that starts anew has forgotten consumers that are kept in its memory
	names := b.streams[streamIntake].ConsumerNames(t.Context())
	for name := range names.Name() {
		if strings.HasPrefix(name, "front-enrich") {
			lost = b.streams[streamIntake].DeleteConsumer(t.Context(), name) == nil
		}
	}
	if names.Err() != nil || !lost {
		t.Fatalf("the consumer was not deleted: %v", names.Err())
	}
	fine := meagre("fine", "bob@example.com")
	accept(t, b.Queue, fine)
	signal(b.work.router.enrich)
	eventually(t, "the other event is done", func() bool { return b.index.last(fine.Key()) == "done" })
	eventually(t, "the first sender is asked again", func() bool { return asked.Load() == 2 })
}
