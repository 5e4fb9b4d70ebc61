package calls

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
)

// rare asks for a tag of its own on each of n contacts: columns that no company ever fills.
func rare(prio events.Priority, n int) []Ask {
	var asks []Ask
	for i := range n {
		asks = append(asks, ask(prio, fmt.Sprintf("c%d", i), fmt.Sprint(1000+i), tag(fmt.Sprint(i+1))))
	}
	return asks
}

// TestFullHandsDoNotLinger: company comes from events that are behind. While hands are full of pairs that wait for it
// nothing comes, so they go.
func TestFullHandsDoNotLinger(t *testing.T) {
	for _, tc := range []struct {
		behind      int64
		least, most time.Duration
	}{{0, bulkLinger, bulkLinger + 30*time.Second}, {1000, stalled, stalled + 30*time.Second}} {
		inBubble(t, plenty, func(b *bench) {
			b.behind[events.Bulk].Store(tc.behind)
			begun := time.Now()
			b.fine(b.all(rare(events.Bulk, 40)...)...)
			if took := time.Since(begun); took < tc.least || took > tc.most {
				b.t.Errorf("with %d events behind, tags waited %s, want %s to %s", tc.behind, took, tc.least, tc.most)
			}
		})
	}
}

// TestScarceDayLingers: tags of normal work wait for company when the day is not enough for all that waits, and go
// before it ends, however late they come.
func TestScarceDayLingers(t *testing.T) {
	for _, tc := range []struct {
		name        string
		at          time.Duration // after midnight
		behind      int64
		least, most time.Duration
	}{
		{"enough", 10 * time.Hour, 0, 0, time.Second},
		{"scarce", 10 * time.Hour, 50_000, longLinger, longLinger + time.Minute},
		{"evening", 23*time.Hour + 30*time.Minute, 50_000, time.Minute, 12 * time.Minute},
		{"last minute", 23*time.Hour + 59*time.Minute + 15*time.Second, 50_000, 0, 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, plenty, func(b *bench) {
				b.behind[events.Bulk].Store(tc.behind)
				time.Sleep(time.Until(time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC).Add(tc.at)))
				begun := time.Now()
				b.fine(b.all(rare(events.Normal, 5)...)...)
				if took := time.Since(begun); took < tc.least || took > tc.most {
					b.t.Errorf("waited %s, want %s to %s", took, tc.least, tc.most)
				}
				synctest.Wait()
			})
		})
	}
}
