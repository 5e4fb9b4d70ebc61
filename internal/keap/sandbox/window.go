package sandbox

import "time"

// shape is how a window of seconds or minutes counts.
type shape string

const (
	rolling  shape = "rolling"  // calls of the last span, exactly
	calendar shape = "calendar" // calls since the last multiple of the span (plus phase)
	spike    shape = "spike"    // one call per span/limit, smoothed, as Apigee's SpikeArrest without UseEffectiveCount
)

// window counts the accepted calls of one span of time. A limit of 0 means none. The zero shape is rolling.
type window struct {
	limit int
	span  time.Duration
	shape shape
	phase time.Duration // calendar: how far the boundaries lie after whole multiples of span

	recent stamps    // rolling and spike: the calls of the last span
	slot   int64     // calendar: the span that count belongs to
	count  int       // calendar
	due    time.Time // spike: when the next call is due
}

// used is how many calls now count, 0 or more.
func (w *window) used(now time.Time) int {
	if w.shape == calendar {
		if w.slotOf(now) != w.slot {
			return 0
		}
		return w.count
	}
	return w.recent.since(now, w.span)
}

// open reports whether one more call may pass.
func (w *window) open(now time.Time) bool {
	if w.limit == 0 {
		return true
	}
	if w.shape == spike {
		// A tenth of the gap is forgiven, so that a client that paces itself exactly is not refused for jitter.
		gap := w.span / time.Duration(w.limit)
		return !now.Before(w.due.Add(-gap / 10))
	}
	return w.used(now) < w.limit
}

// take counts n calls at now.
func (w *window) take(now time.Time, n int) {
	if w.shape == calendar {
		if slot := w.slotOf(now); slot != w.slot {
			w.slot, w.count = slot, 0
		}
		w.count += n
		return
	}
	w.recent.since(now, w.span) // forgets what is over, so that the memory stays bounded
	w.recent.add(now, n)
	if w.shape == spike && w.limit > 0 {
		if w.due.Before(now) {
			w.due = now
		}
		w.due = w.due.Add(time.Duration(n) * w.span / time.Duration(w.limit))
	}
}

// reopens is how long until one more call may pass; 0 when it may now.
func (w *window) reopens(now time.Time) time.Duration {
	switch {
	case w.open(now):
		return 0
	case w.shape == calendar:
		return time.Duration((w.slot+1)*int64(w.span) + int64(w.phase) - now.UnixNano())
	case w.shape == spike:
		return w.due.Sub(now)
	}
	oldest := w.recent.at[len(w.recent.at)-w.limit] // with it gone, one less than the limit is left
	return time.Duration(oldest + int64(w.span) - now.UnixNano())
}

// room is how many of n calls the window can still count.
func (w *window) room(now time.Time, n int) int {
	if w.limit == 0 {
		return n
	}
	return max(0, min(n, w.limit-w.used(now)))
}

// configure changes limit and shape; a changed shape starts empty.
func (w *window) configure(limit int, s shape, phase time.Duration) {
	if w.shape != s || w.phase != phase {
		*w = window{span: w.span, shape: s, phase: phase}
	}
	w.limit = limit
}

// slotOf numbers calendar spans. Unix time knows no leap seconds, so a multiple of 24 h is a UTC midnight.
func (w *window) slotOf(now time.Time) int64 {
	at := now.UnixNano() - int64(w.phase)
	slot := at / int64(w.span)
	if at%int64(w.span) < 0 {
		slot--
	}
	return slot
}

// stamps is a queue of times: each call with its instant, oldest first.
type stamps struct {
	at   []int64 // Unix nanoseconds
	head int
}

func (s *stamps) add(now time.Time, n int) {
	at := now.UnixNano()
	for range n {
		s.at = append(s.at, at)
	}
}

// since forgets what is span or longer ago and counts the rest. A clock that was set back empties the queue:
// those calls lie in a future that has not been.
func (s *stamps) since(now time.Time, span time.Duration) int {
	at := now.UnixNano()
	if n := len(s.at); n > s.head && s.at[n-1] > at {
		s.at, s.head = s.at[:0], 0
	}
	for s.head < len(s.at) && s.at[s.head] <= at-int64(span) {
		s.head++
	}
	if s.head > len(s.at)/2 {
		s.at = append(s.at[:0], s.at[s.head:]...)
		s.head = 0
	}
	return len(s.at) - s.head
}
