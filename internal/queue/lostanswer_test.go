package queue

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestAnswersThatAreLost: the server hands messages out and a process does not hear of it in time, while it goes on owning
// everything. None of them is held back until the server takes them for lost, and later ones do not overtake them.
func TestAnswersThatAreLost(t *testing.T) {
	t.Parallel()
	url := startExternal(t)
	wire := startLine(t, url[len("nats://"):])
	opt := externalOptions(t, wire.url())
	opt.MemberTTL = 2 * patience // silence costs it nothing
	b := &bench{Queue: openQueue(t, opt), groups: &testGroups{limit: 5, decide: done}, front: &testFront{}}
	b.start(t)
	shop := openQueue(t, externalOptions(t, url))
	var sent []string
	send := func(n int) {
		t.Helper()
		for range n {
			e := event(fmt.Sprintf("%03d", len(sent)), "a@example.com")
			if _, err := shop.Accept(context.Background(), []events.Event{e}); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, e.ID)
		}
	}
	unheard := func(ask func()) {
		wire.deafen()
		ask()
		<-time.After(2 * noAnswer)
		wire.resume()
	}
	worked := func() (ids []string) {
		for _, d := range b.groups.all() {
			if !slices.Contains(ids, d.Event.ID) { // once more after a term that was cut short
				ids = append(ids, d.Event.ID)
			}
		}
		return ids
	}
	all := func() bool { return len(worked()) == len(sent) }

	send(20)
	eventually(t, "the hands are full", func() bool { return len(b.groups.all()) == 4 }) // a place is kept for what is urgent
	unheard(func() {                                                                     // work is handed out
		h := b.groups.hands(0)
		h.mu.Lock()
		h.limit = 1 << 20
		h.mu.Unlock()
		b.groups.mu.Lock()
		b.groups.limit = 0
		b.groups.mu.Unlock()
		signal(h.freed)
	})
	eventually(t, "what was handed out is worked", all)
	unheard(func() { // what was accepted is handed out
		send(10)
		b.work.router.wakeUp()
	})
	send(10)
	eventually(t, "what was accepted is worked", all)
	if got := worked(); !slices.Equal(got, sent) {
		t.Errorf("worked in this order: %v", got)
	}
}
