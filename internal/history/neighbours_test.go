package history

import (
	"testing"
	"time"

	"bridge/internal/events"
)

// TestNeighbours: an event tells what waits for it and what it waits for: unsettled events of its contact, account and priority.
func TestNeighbours(t *testing.T) {
	ix, log := newFollowed(t)
	var list []events.Event
	for n := range 6 {
		e := order(n, "default", "shop", "ada@example.com")
		lane := events.Normal
		switch n {
		case 1:
			e.Account = "other"
		case 2:
			lane = events.Urgent
		}
		log.event(e, lane)
		list = append(list, e)
	}
	log.outcome(state(list[3], day.Add(time.Hour), events.Failed, "x")) // settled: it holds nobody up
	caughtUp(t, ix, log)
	for n, want := range []struct {
		behind, ahead int
		first         string
	}{{2, 0, ""}, {0, 0, ""}, {0, 0, ""}, {0, 0, ""}, {1, 1, list[0].Key()}, {0, 2, list[0].Key()}} {
		s, ok, err := ix.Story(t.Context(), list[n].Key())
		if err != nil || !ok || s.Behind != want.behind || s.Ahead != want.ahead || s.First != want.first {
			t.Errorf("event %d: behind %d, ahead %d of %q (%v), want %+v", n, s.Behind, s.Ahead, s.First, err, want)
		}
	}
}
