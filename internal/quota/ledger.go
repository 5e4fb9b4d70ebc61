package quota

import (
	"sync"
	"time"
)

// Ledger holds the windows of one quota and the plan of its day.
type Ledger struct {
	mu sync.Mutex // guards all below

	now    time.Time     // as last told
	second int           // calls that the second allows; 0: no limit
	gap    time.Duration // between two permits
	next   time.Time     // the second opens
	sends  time.Time     // the next request may be written
	minute rolling
	tenant rolling
	day    daily
	tenDay daily
	skew   time.Duration // server's clock minus ours
	slow   time.Time     // until then the second is halved

	flying  []time.Time // permits whose answer has not been observed, ascending
	open    int         // permitted calls that have not ended
	trouble trouble
	seen    time.Time // when use from elsewhere was last noticed
	scant   time.Time // until then calls go one by one: others spend too, and little is left, or nobody knows what
	blind   time.Time // until then a refusal that names no window is not the first one

	plan      plan
	unplanned time.Time // last permit of a class below Urgent

	reserves bool // permits have to be reserved before they are given
	reserved int  // permits that are
	granted  uint64
	started  bool
}

// New makes a Ledger that has seen nothing yet. With permits to be reserved call Restore, even without a state.
func New(c Config) *Ledger {
	l := &Ledger{
		minute: rolling{span: minuteSpan, limit: c.Limits.Minute},
		tenant: rolling{span: minuteSpan, limit: c.Limits.TenantMinute},
		day:    daily{limit: c.Limits.Day},
		tenDay: daily{limit: c.Limits.TenantDay},
		plan:   plan{floor: c.Reserve},
	}
	if c.Limits.Second > 0 {
		l.second, l.gap = c.Limits.Second, gapFor(c.Limits)
	}
	return l
}

// gapFor is the least distance between two calls: as even as it can be without costing the minute, and never closer
// than the second allows with leastPace.
func gapFor(l Limits) time.Duration {
	second := float64(time.Second) / float64(l.Second)
	gap := pace * second
	if l.Minute > 0 {
		gap = min(gap, max(leastPace*second, float64(minuteSpan)/float64(l.Minute)))
	}
	return time.Duration(gap)
}

// stale is how much older than the latest a time may be that is no clock put back: it was read a moment ago by somebody
// who had to wait, or it is that of an answer.
const stale = 2 * time.Second

// rollLocked brings every window to now, and says what now is: never a moment before it was last.
func (l *Ledger) rollLocked(now time.Time) time.Time {
	if late := l.now.Sub(now); late > 0 && late < stale {
		now = l.now
	}
	l.now = now
	server := now.Add(l.skew)
	if day := dayOf(server); !l.started || day != l.day.number {
		if !l.started {
			l.day.number, l.tenDay.number = day, day
		}
		l.plan.roll(server, l.started)
		l.day.roll(server)
		l.tenDay.roll(server)
		l.started = true
	}
	l.minute.expire(now)
	l.tenant.expire(now)
	if l.next.Sub(now) > max(2*l.gap, unaware) { // the clock was put back
		l.next, l.sends, l.unplanned = now.Add(l.gap), now.Add(l.gap), now
	}
	return now
}

// Take asks for one permit. With OK the call must be made now (see Slot) and Finished be said when it ended.
func (l *Ledger) Take(now time.Time, c Class) Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.rollLocked(now)
	if a := l.lookLocked(now, c); !a.OK {
		return a
	}
	l.grantLocked(now, c)
	return Answer{OK: true, At: now}
}

// lookLocked tells whether a permit can be had, else what opens last.
func (l *Ledger) lookLocked(now time.Time, c Class) Answer {
	a := Answer{OK: true, At: now}
	closed := func(at time.Time, w Window) {
		if at.After(now) && (a.OK || at.After(a.At)) {
			a = Answer{At: at, Window: w}
		}
	}
	server := now.Add(l.skew)
	closed(l.next, Second)
	spare := 0
	if c != Urgent {
		spare = l.spareLocked()
		if l.saturatedLocked() {
			closed(l.unplanned.Add(l.minute.span/time.Duration(max(1, l.minute.limit))), Minute)
		}
	}
	closed(l.minute.opens(now, spare), Minute)
	closed(l.tenant.opens(now, spare), TenantMinute)
	closed(l.day.opens(server).Add(-l.skew), Day)
	closed(l.tenDay.opens(server).Add(-l.skew), TenantDay)
	closed(l.trouble.opens(now), l.trouble.window)
	if l.open > 0 && now.Before(l.scant) {
		closed(l.scant, Minute) // Finished comes before
	}
	if a.OK && c != Urgent && !l.allowsLocked(now, c) {
		closed(l.releasesLocked(now), Plan)
	}
	if a.OK && l.reserves && l.reserved == 0 {
		return Answer{At: now, Window: Unsaved}
	}
	return a
}

// spareLocked is what lower classes leave free of the minute: room for urgent work, and a share while others
// spend from the same quota.
func (l *Ledger) spareLocked() int {
	spare := min(headroom, l.minute.limit/10)
	if l.seenLocked() {
		spare += l.minute.limit / 20
	}
	return spare
}

// saturatedLocked tells whether more work of the lower classes waits than the minute has left for it: then it is
// spread over the minute, or urgent work would find the minute burnt.
func (l *Ledger) saturatedLocked() bool {
	w := l.plan.waiting
	return l.minute.limit > 0 && w[Normal]+w[Bulk] > l.minute.left()-l.spareLocked()
}

func (l *Ledger) grantLocked(now time.Time, c Class) {
	server := now.Add(l.skew)
	l.minute.add(now)
	l.tenant.add(now)
	l.day.add(server)
	l.tenDay.add(server)
	l.flying = append(l.flying, now)
	l.open++
	gap := l.gap
	if now.Before(l.slow) {
		gap *= 2
	}
	l.next = now.Add(gap)
	if c != Urgent {
		l.unplanned = now
	}
	if l.trouble.active() {
		l.trouble.probe(now)
	}
	l.plan.spent(server, c)
	l.granted++
	if l.reserves {
		l.reserved--
	}
}

// Slot is when the request of a permit may be written: now, or a little later where several that were held up on
// their way come together. Ask right before writing and wait until then.
func (l *Ledger) Slot(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now
	if l.sends.After(at) {
		at = l.sends
	}
	// A hair less than the gap between permits, so that steady work is never held up here.
	l.sends = at.Add(l.gap * 49 / 50)
	return at
}

// Finished says that a permitted call has ended, with or without an answer.
func (l *Ledger) Finished(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = max(0, l.open-1)
	if extra := len(l.flying) - l.open; extra > 0 { // without an answer
		l.flying = l.flying[:copy(l.flying, l.flying[extra:])]
	}
	l.trouble.ended(now)
}

// Left is how many calls the day and the minute still have for work of class c, as far as is known; for choosing
// what to do with them, not for permission.
func (l *Ledger) Left(now time.Time, c Class) (minute, day int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.rollLocked(now)
	minute, day = min(l.minute.left(), l.tenant.left()), min(l.day.left(), l.tenDay.left())
	if c != Urgent {
		minute -= l.spareLocked()
		day -= l.keptLocked(now, c)
	}
	return max(0, minute), max(0, day)
}
