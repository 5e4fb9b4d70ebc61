package queue

import (
	"context"
	"encoding/json"
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

// TestRicherTwinOvertakes: of two deliveries of one fact the one that names nobody waits; the other one is no resend of it,
// whichever comes first, and the fact is worked once.
func TestRicherTwinOvertakes(t *testing.T) {
	for _, thinFirst := range []bool{true, false} {
		b := startEnriching(t, func(*events.Event) error {
			return &Later{After: time.Millisecond, Err: errors.New("the other delivery says who it is")}
		})
		thin, rich := meagre("1", ""), event("1", "ann@example.com")
		if thinFirst {
			accept(t, b.Queue, thin)
			eventually(t, "the thin one waits", func() bool { return b.index.last(thin.Key()) == "parked/enrich.wait" })
		} else {
			accept(t, b.Queue, rich)
			eventually(t, "the rich one is done", func() bool { return b.index.last(rich.Key()) == "done" })
		}
		second := rich
		if !thinFirst {
			second = thin
		}
		if again, err := b.Accept(t.Context(), []events.Event{second}); err != nil || again[0] {
			t.Fatalf("thin first %v: the second delivery is taken for a resend of the first: %v, %v", thinFirst, again, err)
		}
		if again, err := b.Accept(t.Context(), []events.Event{thin, rich}); err != nil || !again[0] || !again[1] {
			t.Fatalf("thin first %v: resends are not recognised: %v, %v", thinFirst, again, err)
		}
		eventually(t, "done", func() bool { return b.index.last(rich.Key()) == "done" })
		last := event("2", "bob@example.com")
		accept(t, b.Queue, last)
		eventually(t, "whatever followed is done", func() bool { return b.index.last(last.Key()) == "done" })
		eventually(t, "nothing waits to be asked for", func() bool {
			info, err := b.streams[streamIntake].Info(t.Context())
			return err == nil && info.State.Msgs == 0
		})
		if got := b.index.last(rich.Key()); got != "done" {
			t.Errorf("thin first %v: in the end it is %s", thinFirst, got)
		}
		for _, d := range b.groups.all() {
			if d.Event.ID == rich.ID && d.Event.OrderKey() == "" {
				t.Errorf("thin first %v: worked without its person", thinFirst)
			}
		}
		if worked := len(b.groups.all()); worked != 2 {
			t.Errorf("thin first %v: %d events were worked", thinFirst, worked)
		}
	}
}

// TestAnswerTooLargeStopsNobody: an event that its sender's answer makes too large for the log fails, and the line goes on.
func TestAnswerTooLargeStopsNobody(t *testing.T) {
	b := startEnriching(t, func(e *events.Event) error {
		e.Data.Raw = json.RawMessage(`"` + strings.Repeat("x", maxPayload) + `"`)
		return nil
	})
	large, next := meagre("large", "ann@example.com"), event("next", "bob@example.com")
	accept(t, b.Queue, large)
	eventually(t, "failed", func() bool { return b.index.last(large.Key()) == "failed/enrich.failed" })
	accept(t, b.Queue, next)
	eventually(t, "the next one is done", func() bool { return b.index.last(next.Key()) == "done" })
}
