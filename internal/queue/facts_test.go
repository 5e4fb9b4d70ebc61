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

// TestThings: what can be stale, and what is one thing.
func TestThings(t *testing.T) {
	at := time.Now()
	of := func(typ string, change func(*events.Event)) string {
		e := event("1", "a@example.com")
		e.Type, e.Updated, e.Subject = typ, at, ""
		if change != nil {
			change(&e)
		}
		return thingOf(&e)
	}
	subscription := func(id string) func(*events.Event) {
		return func(e *events.Event) { e.Data.Subscription = &events.Subscription{ID: id} }
	}
	membership := func(id, email string) func(*events.Event) {
		return func(e *events.Event) {
			e.Data.Membership, e.Data.Contact = &events.Membership{ID: id}, &events.Contact{Email: email}
		}
	}
	order := func(id string) func(*events.Event) {
		return func(e *events.Event) { e.Data.Order = &events.Order{ID: id} }
	}
	for what, never := range map[string]string{
		"a payment":                   of("order.paid", order("1")),
		"a renewal":                   of("subscription.renewed", subscription("1")),
		"a state without a version":   of("subscription.paused", func(e *events.Event) { subscription("1")(e); e.Updated = time.Time{} }),
		"a person's unknown things":   of("generic.course.updated", nil),
		"a subscription without id":   of("subscription.paused", subscription("")),
		"a membership of nobody":      of("membership.started", membership("1", "")),
		"a subscription that is none": of("subscription.paused", nil),
	} {
		if never != "" {
			t.Errorf("%s can be stale: %q", what, never)
		}
	}
	if a, b := of("subscription.paused", subscription("1")), of("subscription.resumed", subscription("1")); a == "" || a != b {
		t.Errorf("one subscription is two things: %q, %q", a, b)
	}
	if a, b := of("membership.started", membership("plan", "a@example.com")), of("membership.expired", membership("plan", "b@example.com")); a == "" || a == b {
		t.Errorf("two people's memberships are one thing: %q", a)
	}
	for _, typ := range []string{"woocommerce.order.updated", "shopify.orders/updated", "paypal.BILLING.SUBSCRIPTION.UPDATED"} {
		if a, b := of(typ, order("1")), of(typ, order("2")); a == "" || a == b {
			t.Errorf("%s: two orders of one person are one thing: %q", typ, a)
		}
	}
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
