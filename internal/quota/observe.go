package quota

import "time"

const (
	// patience is how long a probe's answer is waited for before another call may be one.
	patience = 15 * time.Second
	// memoryOfOthers is how long after others were seen spending a share is kept back for them.
	memoryOfOthers = time.Hour
	// scarce is how few calls of a window make us go one by one while others spend from it.
	scarce = 10
	// spikePause follows a refusal by the second's window; slowFor is how long the pace is halved after it.
	spikePause = time.Second
	slowFor    = 10 * time.Minute
	// firstProbe and lastProbe bound the wait after refusals whose window is unknown.
	firstProbe = 2 * time.Second
	lastProbe  = time.Hour
)

// trouble is a refusal (429) and what follows: nothing is sent until a time, then one call alone, the probe;
// when it passes the trouble is over.
type trouble struct {
	window Window    // Open: none
	since  time.Time // first refusal
	last   time.Time // latest refusal
	until  time.Time
	tries  int // refusals in a row, each after a wait
	probed time.Time
	told   bool // the end is known, from headers or by Retry-After
}

func (t *trouble) active() bool { return t.window != Open }

// opens is when the next call may go; the zero time means now.
func (t *trouble) opens(now time.Time) time.Time {
	switch {
	case !t.active():
		return time.Time{}
	case now.Before(t.until):
		return t.until
	case !t.probed.IsZero() && now.Sub(t.probed) < patience:
		return t.probed.Add(patience)
	}
	return time.Time{}
}

func (t *trouble) probe(now time.Time) { t.probed = now }

// ended frees the place of a probe that ended without an answer.
func (t *trouble) ended(now time.Time) {
	if t.active() && !t.probed.IsZero() && now.After(t.until) {
		t.probed = time.Time{}
	}
}

// Observe takes what an answer said about the quota. Call it for every answer, refusals included. It only ever
// makes the ledger more careful within a window.
func (l *Ledger) Observe(o Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adjustClock(o)
	l.rollLocked(o.At)
	l.placeLocked(o)
	l.countLocked(o)
	if o.Status == 429 {
		l.refusedLocked(o)
		return
	}
	if t := &l.trouble; t.active() && !t.probed.IsZero() && !o.Sent.Before(t.probed) {
		l.trouble = trouble{}
	}
}

// adjustClock narrows the difference of the clocks. The server wrote its Date, in whole seconds, between the
// request and the answer.
func (l *Ledger) adjustClock(o Observation) {
	if o.Date.IsZero() || o.Sent.IsZero() {
		return
	}
	lowest, highest := o.Date.Sub(o.At), o.Date.Add(time.Second).Sub(o.Sent)
	switch {
	case highest < lowest: // the answer took less than the clocks' resolution allows: no information
	case l.skew < lowest:
		l.skew = lowest
	case l.skew > highest:
		l.skew = highest
	}
}

// placeLocked moves a call to when its request was really written. Which of the calls on their way it was does
// not matter to the windows.
func (l *Ledger) placeLocked(o Observation) {
	if len(l.flying) == 0 || o.Sent.IsZero() {
		return
	}
	sent := l.sentOf(o)
	if sent.Before(l.flying[0]) {
		return
	}
	granted := l.flying[0]
	l.flying = l.flying[:copy(l.flying, l.flying[1:])]
	l.minute.move(granted, sent)
	l.tenant.move(granted, sent)
}

// sentOf is when the request was written, by the clock that At was read from.
func (l *Ledger) sentOf(o Observation) time.Time {
	if o.Sent.IsZero() {
		return o.At
	}
	return o.At.Add(-o.At.Round(0).Sub(o.Sent.Round(0)))
}

// countLocked compares the server's counts with ours.
func (l *Ledger) countLocked(o Observation) {
	others := l.minute.sum + l.day.others
	sent := l.sentOf(o)
	l.minute.observe(sent, o.At, o.Minute)
	l.tenant.observe(sent, o.At, o.TenantMinute)
	server := func(t time.Time) time.Time { return t.Add(l.skew) }
	l.day.observe(server(o.Sent), server(o.At), o.Day)
	l.tenDay.observe(server(o.Sent), server(o.At), o.TenantDay)
	if more := l.minute.sum + l.day.others - others; more > 0 {
		l.seen = o.At
	}
	l.plan.elsewhere(server(o.At), l.day.others)
	if l.seenLocked() && (o.Minute.Known && o.Minute.Available <= scarce || o.Day.Known && o.Day.Available <= scarce) {
		l.scant = o.At.Add(minuteSpan)
	} else if o.Minute.Known {
		l.scant = time.Time{}
	}
}

// seenLocked tells whether others were seen spending of late.
func (l *Ledger) seenLocked() bool {
	return !l.seen.IsZero() && l.now.Sub(l.seen) < memoryOfOthers
}

// refusedLocked closes what refused. Refusals of calls that were on their way when the trouble began tell nothing new.
func (l *Ledger) refusedLocked(o Observation) {
	t := &l.trouble
	window, until, told := l.blameLocked(o)
	first := window == Throttled && l.trouble.tries == 0 && !o.At.Before(l.blind)
	if o.RetryAfter > 0 {
		told = true
		if asked := o.At.Add(o.RetryAfter); asked.After(until) || first || window == Second {
			until = asked
		}
	}
	if t.active() && o.Sent.Before(t.last) {
		if until.After(t.until) && told {
			t.until, t.told, t.window = until, true, window
		}
		return
	}
	if !t.active() {
		t.since = o.At
	}
	t.window, t.until, t.told, t.last, t.probed = window, until, told, o.At, time.Time{}
	t.tries++
	if first {
		l.blind, l.scant = o.At.Add(minuteSpan), o.At.Add(minuteSpan)
	}
	if window == Second {
		l.slow = o.At.Add(slowFor)
	}
}

// blameLocked tells which window refused and until when it is closed.
func (l *Ledger) blameLocked(o Observation) (w Window, until time.Time, told bool) {
	day := midnight(l.day.number + 1).Add(midnightGuard).Add(-l.skew)
	reset := func(r Reading) time.Time {
		if left := r.Resets.Sub(o.At.Add(l.skew)); !r.Resets.IsZero() && left > 0 && left < 25*time.Hour {
			return r.Resets.Add(midnightGuard).Add(-l.skew)
		}
		return day
	}
	empty := func(r Reading) bool { return r.Known && r.Available <= 0 }
	switch {
	case empty(o.Day):
		return Day, reset(o.Day), true
	case empty(o.TenantDay):
		return TenantDay, reset(o.TenantDay), true
	case empty(o.Minute):
		return Minute, o.At.Add(minuteSpan), true
	case empty(o.TenantMinute):
		return TenantMinute, o.At.Add(minuteSpan), true
	case o.Minute.Known && o.Day.Known:
		return Second, o.At.Add(spikePause), true
	case l.minute.limit > 0 && l.minute.left() <= max(scarce, l.minute.limit/10):
		return Minute, o.At.Add(minuteSpan), false
	}
	// Nothing is known. The second is tried first, then the minute; after that it may be the day. A minute may open place
	// by place: then the probe passes, and the call that is refused after it tells the minute as well.
	switch tries := l.trouble.tries; {
	case tries == 0 && !o.At.Before(l.blind):
		return Throttled, o.At.Add(firstProbe), false
	case tries <= 1:
		return Throttled, o.At.Add(minuteSpan), false
	default:
		return Throttled, o.At.Add(min(lastProbe, minuteSpan<<min(tries-2, 10))), false
	}
}
