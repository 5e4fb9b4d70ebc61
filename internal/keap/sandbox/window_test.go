package sandbox

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// counted is a brute-force window: all accepted calls, counted anew each time.
type counted struct {
	limit int
	span  time.Duration
	shape shape
	phase time.Duration
	calls []time.Time
}

func (c *counted) used(now time.Time) int {
	n := 0
	for _, at := range c.calls {
		switch c.shape {
		case calendar:
			if slot(at, c.phase, c.span) == slot(now, c.phase, c.span) {
				n++
			}
		default:
			if now.Sub(at) < c.span {
				n++
			}
		}
	}
	return n
}

func slot(at time.Time, phase, span time.Duration) int64 {
	return at.Add(-phase).Truncate(span).UnixNano() // Truncate counts from the year 1, in whole spans as well
}

func (c *counted) open(now time.Time) bool {
	if c.shape != spike {
		return c.used(now) < c.limit
	}
	gap := c.span / time.Duration(c.limit)
	var due time.Time
	for _, at := range c.calls {
		if at.After(due) {
			due = at
		}
		due = due.Add(gap)
	}
	return !now.Before(due.Add(-gap / 10))
}

func TestWindowAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := rapid.SampledFrom([]time.Duration{time.Second, time.Minute}).Draw(t, "span")
		want := &counted{
			limit: rapid.IntRange(1, 12).Draw(t, "limit"), span: span,
			shape: rapid.SampledFrom([]shape{rolling, calendar, spike}).Draw(t, "shape"),
			phase: time.Duration(rapid.Int64Range(0, int64(span)).Draw(t, "phase")),
		}
		w := &window{span: span}
		w.configure(want.limit, want.shape, want.phase)
		now := morning
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(span)/4).Draw(t, "gap")))
			if got := w.used(now); got != want.used(now) {
				t.Fatalf("used is %d, counted %d", got, want.used(now))
			}
			open := w.open(now)
			if open != want.open(now) {
				t.Fatalf("open is %v, counting says %v", open, want.open(now))
			}
			if !open {
				wait := w.reopens(now)
				if wait <= 0 || want.open(now.Add(wait-span/100)) && want.shape != spike || !want.open(now.Add(wait)) {
					t.Fatalf("reopens in %v, which is not so", wait)
				}
				continue
			}
			w.take(now, 1)
			want.calls = append(want.calls, now)
		}
	})
}

// TestMostIsTheRollingMaximum: whatever the shape of the quota, max counts every rolling window.
func TestMostIsTheRollingMaximum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := crest{w: window{span: time.Minute}}
		var calls []time.Time
		most, now := 0, morning
		for range rapid.IntRange(1, 100).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "gap")))
			c.take(now)
			calls = append(calls, now)
			n := 0
			for _, at := range calls {
				if now.Sub(at) < time.Minute {
					n++
				}
			}
			most = max(most, n)
		}
		if c.most != most {
			t.Fatalf("most is %d, counted %d", c.most, most)
		}
	})
}

func TestWindowForgetsTheFuture(t *testing.T) {
	w := &window{limit: 1, span: time.Minute}
	w.take(morning, 1)
	if w.open(morning.Add(time.Second)) {
		t.Fatal("the window does not count")
	}
	if !w.open(morning.Add(-time.Hour)) {
		t.Error("a clock that was set back leaves the window closed by calls that have not been")
	}
}
