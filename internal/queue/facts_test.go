package queue

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"bridge/internal/events"
)

func TestOldFactIsLoggedAndLeft(t *testing.T) {
	opt := testOptions(t)
	opt.Retention = 30 * 24 * time.Hour
	b := started(t, opt, done)
	e := event("1", "a@example.com")
	e.Time = time.Now().Add(-31 * 24 * time.Hour).UTC()
	young := event("2", "a@example.com")
	young.Time = time.Now().Add(-29 * 24 * time.Hour).UTC()
	accept(t, b.Queue, e, young)
	eventually(t, "both are settled", func() bool { return b.index.last(e.Key()) == "done/old_fact" && b.index.last(young.Key()) == "done" })
	if got := b.groups.all(); len(got) != 1 {
		t.Errorf("%d deliveries, want the young one only", len(got))
	}
}

func TestStale(t *testing.T) {
	b := started(t, testOptions(t), done)
	at := time.Now().UTC()
	state := func(id string, updated time.Time) events.Event {
		e := event(id, "a@example.com")
		e.Type, e.Data.Contact.ExternalID, e.Updated = "customer.updated", "17", updated
		return e
	}
	first, newer, older := state("1", at), state("2", at.Add(time.Minute)), state("3", at.Add(time.Second))
	accept(t, b.Queue, first)
	accept(t, b.Queue, newer, older) // one round sees its own versions
	eventually(t, "the older one is stale", func() bool { return b.index.last(older.Key()) == "done/stale" })
	b = b.restart(t)
	again, elsewhere := state("4", at), state("5", at)
	elsewhere.Data.Contact.ExternalID = "18"
	accept(t, b.Queue, again, elsewhere)
	eventually(t, "a restart remembers", func() bool { return b.index.last(again.Key()) == "done/stale" })
	eventually(t, "another customer is not stale", func() bool { return b.index.last(elsewhere.Key()) == "done" })
}

// TestFactWithoutTime: a refund without a time of its own is recognised when the log has forgotten it.
func TestFactWithoutTime(t *testing.T) {
	b := started(t, testOptions(t), done)
	e := event("1", "a@example.com")
	e.Type, e.Data.Refund = "order.refunded", &events.Refund{ID: "9"}
	accept(t, b.Queue, e)
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
	for _, stream := range []string{streamEvents, streamOut} {
		if err := b.streams[stream].Purge(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	b = b.restart(t)
	after := event("2", "a@example.com")
	accept(t, b.Queue, e, after)
	eventually(t, "what came behind it is done", func() bool { return b.index.last(after.Key()) == "done" })
	if got := b.groups.all(); len(got) != 1 {
		t.Errorf("%d deliveries, want the new one only", len(got))
	}
}

func TestEnrich(t *testing.T) {
	t.Parallel()
	b := started(t, testOptions(t), done)
	var asked atomic.Bool
	b.front.enrich = func(e *events.Event) error {
		switch {
		case e.ID == "never":
			return errors.New("the sender does not know it")
		case e.ID == "later" && !asked.Swap(true):
			return &Later{Err: errors.New("not now")}
		}
		e.Data.Contact = &events.Contact{Email: "asked@example.com"}
		return nil
	}
	for _, id := range []string{"never", "at once"} {
		e := event(id, "")
		e.Enrich = "contact"
		accept(t, b.Queue, e)
	}
	plain := event("plain", "b@example.com")
	accept(t, b.Queue, plain)
	eventually(t, "others do not wait", func() bool { return b.index.last(plain.Key()) == "done" })
	eventually(t, "enriched", func() bool { return b.index.last(events.KeyOf("default", "shop", "at once")) == "done" })
	eventually(t, "failed", func() bool { return b.index.last(events.KeyOf("default", "shop", "never")) == "failed/enrich.failed" })
	later := event("later", "")
	later.Enrich = "contact"
	accept(t, b.Queue, later)
	eventually(t, "parked, then done", func() bool {
		got := b.index.states(later.Key())
		return len(got) == 2 && got[0] == "parked/enrich.wait" && got[1] == "done"
	})
	for _, d := range b.groups.all() {
		if d.Event.Enrich != "" || d.Event.ID != "plain" && d.Event.OrderKey() != "e:asked@example.com" {
			t.Errorf("delivered: %+v", d.Event)
		}
	}
}
