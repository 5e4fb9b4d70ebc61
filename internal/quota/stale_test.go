package quota

import (
	"slices"
	"testing"
	"time"
)

// TestAnswersToldLateMoveNothingBack: a permit is given between the time of an answer and the moment when the ledger is told of
// it. That permit stays where it is, and the next one keeps its distance.
func TestAnswersToldLateMoveNothingBack(t *testing.T) {
	for _, late := range []time.Duration{time.Microsecond, 200 * time.Millisecond, time.Second} {
		l := New(Config{Limits: Limits{Second: 10, Minute: 100}})
		if a := l.Take(start, Urgent); !a.OK {
			t.Fatal(a)
		}
		now := start.Add(2 * time.Second)
		if a := l.Take(now, Urgent); !a.OK {
			t.Fatal(a)
		}
		slot := l.Slot(now)
		l.Observe(Observation{Sent: start, At: now.Add(-late), Status: 200})
		soon := now.Add(time.Millisecond)
		if a := l.Take(soon, Urgent); a.OK {
			t.Errorf("%s late: two permits %s apart", late, soon.Sub(now))
		}
		if apart := l.Slot(soon).Sub(slot); apart < l.gap*49/50 {
			t.Errorf("%s late: two requests %s apart", late, apart)
		}
		if last := l.minute.own[len(l.minute.own)-1]; !last.Equal(now) {
			t.Errorf("%s late: a call of %s stands in the minute at %s", late, now, last)
		}
	}
}

// TestALookChangesNothing: who looks at a ledger with a time read a moment before undoes neither a halved pace nor the
// order of its windows.
func TestALookChangesNothing(t *testing.T) {
	l := New(Config{Limits: Limits{Second: 10, Minute: 1000}})
	known := Reading{Known: true, Limit: 1000, Used: 1, Available: 999}
	l.Take(start, Urgent)
	l.Observe(Observation{Sent: start, At: start, Status: 429, Minute: known, Day: known})
	now := start.Add(5 * time.Second)
	l.Take(now, Urgent)
	l.Observe(Observation{Sent: now, At: now.Add(50 * time.Millisecond), Status: 200})
	l.Finished(now)
	now = now.Add(time.Second)
	if a := l.Take(now, Urgent); !a.OK {
		t.Fatal(a)
	}
	next := l.next
	l.Outlook(now.Add(-time.Microsecond))
	l.Take(now.Add(-time.Millisecond), Bulk)
	if !l.next.Equal(next) || next.Sub(now) < 2*l.gap {
		t.Errorf("the second opened %s after the last permit, after a look %s", next.Sub(now), l.next.Sub(now))
	}
	for _, at := range []time.Duration{3 * time.Second, 2 * time.Second} { // two answers, the earlier one told of last
		l.Observe(Observation{Sent: now, At: now.Add(at), Status: 200, Minute: Reading{Known: true, Limit: 1000, Used: 50 + int(3*time.Second-at), Available: 100}})
	}
	if !slices.IsSortedFunc(l.minute.others, func(a, b stamp) int { return a.at.Compare(b.at) }) {
		t.Errorf("others' calls stand in no order: %v", l.minute.others)
	}
}
