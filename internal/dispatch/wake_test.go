package dispatch

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
)

// TestWakeEndsWhatAReasonParked, one delivery after another, and nothing else.
func TestWakeEndsWhatAReasonParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		parked := map[uint64]bool{}
		w.handle = func(d events.Delivery) events.Verdict {
			if parked[d.Seq] {
				return events.Verdict{Kind: events.VerdictDone}
			}
			parked[d.Seq] = true
			reason := events.Brownout
			if d.Seq == 3 {
				reason = events.Throttled
			}
			return events.Verdict{Kind: events.VerdictSnooze, Reason: reason, Until: time.Now().Add(time.Hour)}
		}
		l := NewLane(w, w, DefaultLimits, quiet)
		for seq := range uint64(5) {
			account := "default"
			if seq == 4 {
				account = "other"
			}
			w.take(l, events.Delivery{Seq: seq, Contact: strconv.FormatUint(seq, 10), Event: events.Event{Account: account}})
		}
		synctest.Wait()
		l.Wake("default", events.Brownout)
		start := time.Now()
		for len(w.seqs()) < 3 && time.Since(start) < time.Minute {
			time.Sleep(wakeGap / 2)
			synctest.Wait()
		}
		got := w.seqs()
		slices.Sort(got)
		if !slices.Equal(got, []uint64{0, 1, 2}) || time.Since(start) < 2*wakeGap {
			t.Errorf("settled %v after %v", got, time.Since(start))
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestHurryEndsAPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		parked := false
		w.handle = func(events.Delivery) events.Verdict {
			if !parked {
				parked = true
				return events.Verdict{Kind: events.VerdictSnooze, Until: time.Now().Add(24 * time.Hour)}
			}
			return events.Verdict{Kind: events.VerdictDone}
		}
		l := NewLane(w, w, DefaultLimits, quiet)
		w.take(l, events.Delivery{Seq: 7, Contact: "a"})
		synctest.Wait()
		l.Hurry(8) // nobody
		l.Hurry(7)
		synctest.Wait()
		if got := w.seqs(); !slices.Equal(got, []uint64{7}) {
			t.Errorf("settled %v", got)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
