package queue

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// TestUnreadableEntry: an entry of the log that nobody can read, a pointer that is none and outcomes that are none stall
// neither the router nor a group. The event is listed as failed; the others go on, resends of the damaged one included.
func TestUnreadableEntry(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := started(t, testOptions(t), done)
	e := event("damaged", "a@example.com")
	damaged := entryMsg(&e, []byte(`{"not":"an event"`), "c", "default", events.Normal, "INTAKE:0:0")
	eventually(t, "routing has begun", b.work.router.owned)
	b.work.router.mu.Lock() // it expects to be the only one who writes the log
	var seq uint64
	ack, err := b.put(ctx, damaged)
	if err == nil {
		seq = ack.Sequence
		b.work.router.last, b.work.router.written[e.Key()] = seq, seq
	}
	b.work.router.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	unit := map[groupLane]bool{{"default", events.Normal}: true}
	if err := b.register(ctx, unit); err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{[]byte("no pointer"), pointer{Key: e.Key(), Seq: seq}.msg("default", events.Normal, "").Data} {
		if _, err := b.put(ctx, &nats.Msg{Subject: workSubject("default", events.Normal), Data: body}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.put(ctx, &nats.Msg{Subject: subjectOut + "x", Data: []byte("no outcome")}); err != nil {
		t.Fatal(err)
	}
	b.work.wakeAll(unit, nil)
	eventually(t, "the damaged event is listed", func() bool { return b.index.last(e.Key()) == "failed/internal" && len(b.slots(t)) == 1 })
	next := event("next", "a@example.com")
	accept(t, b.Queue, e, next)
	eventually(t, "the next one is done", func() bool { return b.index.last(next.Key()) == "done" })
	if slot := b.slots(t)[0]; slot.Account != "default" || slot.Seq != seq || slot.Detail == "" {
		t.Errorf("%+v", slot)
	}
	if ok, err := b.Replay(ctx, "default", e.Key(), seq, "job"); ok || err == nil {
		t.Errorf("a replay of what cannot be read: %v, %v", ok, err)
	}
}
