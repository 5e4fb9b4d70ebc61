package dispatch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
)

// TestNothingOvertakesWhatCouldNotBeRecorded: an event whose verdict could not be recorded stays in the queue, to be
// delivered anew. What its contact has behind it, running, parked or still to come, must not take effect before it.
func TestNothingOvertakesWhatCouldNotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.took = time.Minute
		var handled []uint64
		w.handle = func(d events.Delivery) events.Verdict {
			handled = append(handled, d.Seq)
			if d.Seq == 2 {
				return events.Verdict{Kind: events.VerdictRetry, Until: time.Now().Add(time.Minute), Attempt: 1}
			}
			return events.Verdict{Kind: events.VerdictDone}
		}
		l := NewLane(w, w, DefaultLimits, quiet)
		fails := func(context.Context, events.Verdict) error { return errors.New("not the owner any more") }
		w.take(l, events.Delivery{Seq: 2, Contact: "a", Priority: events.Bulk})
		synctest.Wait()
		time.Sleep(61 * time.Second) // parked by now
		l.Take(events.Delivery{Seq: 3, Contact: "a", Priority: events.Normal}, fails)
		w.take(l, events.Delivery{Seq: 4, Contact: "a", Priority: events.Normal})
		w.take(l, events.Delivery{Seq: 5, Contact: "a", Priority: events.Urgent, Replay: "job"})
		w.take(l, events.Delivery{Seq: 6, Contact: "b", Priority: events.Normal})
		time.Sleep(2 * time.Minute)
		w.take(l, events.Delivery{Seq: 7, Contact: "a", Priority: events.Normal})
		time.Sleep(time.Hour)
		synctest.Wait()
		if want := []uint64{2, 3, 6}; !slices.Equal(sorted(handled), want) {
			t.Errorf("handled %v, want %v", handled, want)
		}
		if deliveries, bytes := l.Room(); deliveries != DefaultLimits.Deliveries || bytes != DefaultLimits.Bytes || l.parked != 0 {
			t.Errorf("the lane still counts what it dropped: room for %d, %d bytes, %d parked", deliveries, bytes, l.parked)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
