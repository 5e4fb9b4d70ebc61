package quota

import (
	"testing"
	"time"
)

// TestClockIsPutBack: what was spent stays spent, and no window opens before its time has passed.
func TestClockIsPutBack(t *testing.T) {
	for _, back := range []time.Duration{time.Second, time.Minute, 3 * time.Hour, 400 * 24 * time.Hour} {
		l := New(Config{Limits: Limits{Second: 10, Minute: 240, Day: 300}})
		if n, _, _ := takes(l, start, 1000); n != 240 {
			t.Fatalf("%d calls in a minute", n)
		}
		now := start.Add(30*time.Second - back)
		n, a, _ := takes(l, now, 1000)
		if n > 0 || a.Window != Minute {
			t.Errorf("%v back: %d calls more, closed by %s", back, n, a.Window)
		}
		if n, a, _ = takes(l, now.Add(time.Minute+time.Second), 1000); n != 60 || a.Window != Day {
			t.Errorf("%v back, a minute later: %d calls, closed by %s", back, n, a.Window)
		}
	}
}

// TestClockIsPutForward: the first answer says what day it is where the day counts.
func TestClockIsPutForward(t *testing.T) {
	l := New(Config{Limits: Limits{Second: 10, Minute: 240, Day: 100}})
	if n, _, _ := takes(l, start, 1000); n != 100 {
		t.Fatalf("%d calls in a day", n)
	}
	now := start.Add(30 * time.Hour)
	if a := l.Take(now, Urgent); !a.OK {
		t.Fatalf("a new day by the only clock there is: %+v", a)
	}
	l.Observe(Observation{Sent: now, At: now.Add(100 * time.Millisecond), Status: 429, Date: start.Add(time.Minute), Day: told(100, 101)})
	l.Finished(now)
	if n, a, _ := takes(l, now.Add(time.Second), 1000); n > 0 || a.Window != Day {
		t.Errorf("%d calls after Keap told its time, closed by %s", n, a.Window)
	}
	if n, _, _ := takes(l, now.Add(24*time.Hour), 1000); n != 100 {
		t.Errorf("%d calls on the next day", n)
	}
}
