package history

import (
	"testing"
	"time"

	"bridge/internal/events"
)

// TestOldest: the oldest of what is not settled counts, parked and waiting alike, each priority for itself.
func TestOldest(t *testing.T) {
	ix, log := newFollowed(t)
	for n := range 6 {
		lane := events.Normal
		if n == 5 {
			lane = events.Bulk
		}
		log.event(order(n, "default", "shop", "ada@example.com"), lane)
	}
	log.outcome(state(order(0, "default", "shop", ""), day.Add(time.Minute), events.Done, events.NoReason))
	log.outcome(state(order(1, "default", "shop", ""), day.Add(time.Minute), events.Failed, events.KeapRejected))
	log.outcome(state(order(2, "default", "shop", ""), day.Add(time.Minute), events.Parked, events.QuotaDay))
	caughtUp(t, ix, log)
	oldest, err := ix.Oldest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[events.Priority]time.Time{events.Urgent: {}, events.Normal: day.Add(2 * time.Second), events.Bulk: day.Add(5 * time.Second)} {
		if !oldest[p].Equal(want) {
			t.Errorf("%s: %v, want %v", p, oldest[p], want)
		}
	}
}
