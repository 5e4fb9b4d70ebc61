package quota

import (
	"math"
	"time"
)

const (
	historyDays = 14
	// Margins on what is forecast: for what urgent work still needs, and for what normal work does. A multiple of the
	// square root is added for the scatter of events that fall independently; urgent ones take some three calls each.
	urgentMargin, urgentScatter = 1.1, 4
	normalMargin, normalScatter = 1.05, 2
	// fade weighs how today went against the forecast: each hour back counts that much less.
	fade = 0.7
	// guard is the share of permits that bulk work gets while it waits, whatever the plan says.
	guard = 0.0205
	// othersMost bounds what is kept for others, as a share of what is left.
	othersMost = 0.3
	// The shares of a day that the pace of a first day may claim for what is left of it.
	urgentBelieved, normalBelieved = 0.5, 0.2
)

// unknown marks an hour before the first one that was seen.
const unknown = -1

// hours are calls by hour of a UTC day and class.
type hours [24][classes]int32

// plan is the plan of a day: what each class has used, what it is expected to use, and what waits.
type plan struct {
	floor   Shares
	history []hours // oldest first, at most historyDays, the day before today last
	mean    [24][classes]float64
	known   bool // there is history
	today   hours
	begun   time.Time // first time seen today
	waiting [classes]int
	owed    float64 // permits that bulk work has coming by the guard

	othersAt   time.Time // others' spending, sampled
	othersLast int
	othersRate float64 // calls an hour, fading
}

func (p *plan) roll(server time.Time, started bool) {
	if started {
		p.history = append(p.history, p.today)
		if extra := len(p.history) - historyDays; extra > 0 {
			p.history = p.history[:copy(p.history, p.history[extra:])]
		}
		p.average()
		p.begun = midnight(dayOf(server))
	} else if p.begun.IsZero() {
		p.begun = server
	}
	p.today = hours{}
	if !started {
		for h := range server.UTC().Hour() {
			p.today[h] = [classes]int32{unknown, unknown, unknown}
		}
	}
	p.othersLast = 0
}

// average makes the forecast: the mean of the days at each hour.
func (p *plan) average() {
	p.known = false
	for h := range 24 {
		for c := range classes {
			sum, n := 0, 0
			for _, d := range p.history {
				if d[h][c] != unknown {
					sum, n = sum+int(d[h][c]), n+1
				}
			}
			p.mean[h][c] = 0
			if n > 0 {
				p.mean[h][c] = float64(sum) / float64(n)
				p.known = true
			}
		}
	}
}

func (p *plan) spent(server time.Time, c Class) {
	count := &p.today[server.UTC().Hour()][c]
	*count = max(0, *count) + 1
	switch {
	case c == Bulk:
		p.owed = max(0, p.owed-1)
	case p.waiting[Bulk] > 0:
		p.owed = min(p.owed+guard, Block)
	}
}

// elsewhere follows how fast others spend.
func (p *plan) elsewhere(server time.Time, others int) {
	if since := server.Sub(p.othersAt); p.othersAt.IsZero() || since > time.Minute {
		if !p.othersAt.IsZero() && others >= p.othersLast {
			keep := math.Exp2(-since.Hours())
			p.othersRate = p.othersRate*keep + float64(others-p.othersLast)/since.Hours()*(1-keep)
		}
		p.othersAt, p.othersLast = server, others
	}
}

// hoursLeft is the rest of the day; part is how much of the current hour is over.
func hoursLeft(server time.Time) (hour int, part, left float64) {
	server = server.UTC()
	part = float64(server.Minute())/60 + float64(server.Second())/3600
	return server.Hour(), part, 24 - float64(server.Hour()) - part
}

// rest is how many calls class c is expected to make from now to midnight, beyond what waits.
func (p *plan) rest(server time.Time, c Class, limit int) float64 {
	hour, part, left := hoursLeft(server)
	if !p.known {
		return p.guess(server, c, limit, left)
	}
	sum := p.mean[hour][c] * (1 - part)
	for h := hour + 1; h < 24; h++ {
		sum += p.mean[h][c]
	}
	return sum * p.trend(hour, part, c)
}

// trend is how much more, or less, class c uses today than forecast. The last hours count most.
func (p *plan) trend(hour int, part float64, c Class) float64 {
	total := 0.0
	for h := range 24 {
		total += p.mean[h][c]
	}
	prior := max(10, total/100)
	did, should := prior+float64(p.waiting[c]), prior
	weight := 1.0
	for h := hour; h >= 0; h-- {
		share := 1.0
		if h == hour {
			share = part
		}
		if n := p.today[h][c]; n != unknown {
			did += weight * float64(n)
			should += weight * share * p.mean[h][c]
		}
		weight *= fade
	}
	return min(max(did/should, 0.1), 5)
}

// guess stands in for a forecast on the first day: the configured share of the day for its remaining hours, or
// today's pace carried on where that is more. One burst early in the day is no pace: less than an hour counts as one, and
// no pace is believed beyond what leaves something for the classes below.
func (p *plan) guess(server time.Time, c Class, limit int, left float64) float64 {
	even := float64(limit) * left / 24
	floor := [classes]float64{Urgent: p.floor.Urgent, Normal: p.floor.Normal}[c] * even
	most := [classes]float64{Urgent: urgentBelieved, Normal: normalBelieved}[c] * even
	used, seen := 0, max(server.Sub(p.begun).Hours(), 1)
	for h := range 24 {
		used += max(0, int(p.today[h][c]))
	}
	return max(floor, min(float64(used)/seen*left, most))
}

// need is what has to be kept for class c until midnight.
func (p *plan) need(server time.Time, c Class, limit int) float64 {
	rest := p.rest(server, c, limit)
	margin := [classes]float64{Urgent: urgentMargin, Normal: normalMargin, Bulk: 1}[c]
	scatter := [classes]float64{Urgent: urgentScatter, Normal: normalScatter}[c]
	return rest*margin + scatter*math.Sqrt(rest) + float64(p.waiting[c])
}

// keptLocked is how many of the day's calls are kept from class c.
func (l *Ledger) keptLocked(now time.Time, c Class) int {
	limit := l.dayLimitLocked()
	if c == Urgent || limit == 0 {
		return 0
	}
	server := now.Add(l.skew)
	_, _, left := hoursLeft(server)
	kept := l.plan.need(server, Urgent, limit)
	if c == Bulk {
		kept += l.plan.need(server, Normal, limit)
	}
	if l.seenLocked() {
		kept += min(l.plan.othersRate*left, othersMost*float64(l.day.left()))
	}
	return int(math.Ceil(kept))
}

// allowsLocked tells whether the plan of the day gives class c a call.
func (l *Ledger) allowsLocked(now time.Time, c Class) bool {
	left := l.dayLeftLocked()
	if left > l.keptLocked(now, c) {
		return true
	}
	return c == Bulk && l.plan.owed >= 1 && left > l.keptLocked(now, Normal)
}

// dayLimitLocked is the narrower of the two days: shares of the wider one could be more than the narrower one has. 0: no limit.
func (l *Ledger) dayLimitLocked() int {
	if l.day.limit == 0 || l.tenDay.limit == 0 {
		return max(l.day.limit, l.tenDay.limit)
	}
	return min(l.day.limit, l.tenDay.limit)
}

func (l *Ledger) dayLeftLocked() int { return min(l.day.left(), l.tenDay.left()) }

// releasesLocked is when to ask the plan again: it changes by the minute.
func (l *Ledger) releasesLocked(now time.Time) time.Time {
	at, reset := now.Add(15*time.Second), midnight(l.day.number+1).Add(-l.skew)
	if reset.After(now) && reset.Before(at) {
		return reset
	}
	return at
}

// Waiting says how many calls wait in each class, as far as can be told: what is in hand and what is behind it.
func (l *Ledger) Waiting(calls [3]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan.waiting = calls
	if calls[Bulk] == 0 {
		l.plan.owed = 0
	}
}

// BulkOwed tells whether bulk work has a permit coming before normal work: the guard against starving it.
func (l *Ledger) BulkOwed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan.owed >= 1 && l.plan.waiting[Bulk] > 0
}
