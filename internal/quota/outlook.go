package quota

import (
	"math"
	"time"
)

// Usage is one window as people see it.
type Usage struct {
	Limit     int
	Used      int // by everybody, as far as is known
	Elsewhere int // of that, what the server counted and we did not make
	Resets    time.Time
}

// Outlook is the state of a ledger and its plan of the day, for people.
type Outlook struct {
	Second, Minute, Day, TenantMinute, TenantDay Usage

	Left     int                // calls that the day still has
	Expected [classes]int       // calls that each class is expected to make until midnight, beyond what waits
	Kept     [classes]int       // calls that are kept from each class for higher ones and for others
	Waiting  [classes]int       // calls that wait
	Tomorrow [classes]int       // of these, what will not be made today
	ETA      [classes]time.Time // when what waits is made; zero when nothing waits
	Surplus  int                // what is left of the day when all that is expected and waits is made; may be negative
	Forecast bool               // expected from earlier days, not from the configured shares
	Closed   *Closure           // why no call may go now; nil when one may
}

// Closure is a window that Keap refused a call for, or that is used up.
type Closure struct {
	Window Window
	Since  time.Time // zero when it was not Keap that refused
	Until  time.Time
	Told   bool // the end is known; otherwise one call is tried then
}

// Outlook shows the ledger at now.
func (l *Ledger) Outlook(now time.Time) Outlook {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.rollLocked(now)
	server := now.Add(l.skew)
	reset := midnight(l.day.number + 1).Add(-l.skew)
	o := Outlook{
		Minute:       Usage{l.minute.limit, l.minute.used(), l.minute.sum, l.minute.opens(now, l.minute.limit-1)},
		TenantMinute: Usage{l.tenant.limit, l.tenant.used(), l.tenant.sum, l.tenant.opens(now, l.tenant.limit-1)},
		Day:          Usage{l.day.limit, l.day.all(), l.day.others, reset},
		TenantDay:    Usage{l.tenDay.limit, l.tenDay.all(), l.tenDay.others, reset},
		Left:         l.dayLeftLocked(), Waiting: l.plan.waiting, Forecast: l.plan.known,
	}
	o.Second = l.secondLocked(now)
	rest := 0.0
	for c := range classes {
		expected := l.plan.rest(server, c, l.dayLimitLocked())
		o.Expected[c] = int(math.Round(expected))
		o.Kept[c] = l.keptLocked(now, c)
		if c != Bulk {
			rest += expected
		}
		rest += float64(l.plan.waiting[c])
	}
	o.Surplus = o.Left - int(rest)
	o.Closed = l.closureLocked(now)
	for c := range classes {
		o.ETA[c], o.Tomorrow[c] = l.arrivalLocked(now, c)
	}
	return o
}

func (l *Ledger) secondLocked(now time.Time) Usage {
	u := Usage{Resets: now}
	if l.gap == 0 {
		return u
	}
	u.Limit = l.second
	for i := len(l.minute.own) - 1; i >= 0 && now.Sub(l.minute.own[i]) < time.Second; i-- {
		u.Used++
		u.Resets = l.minute.own[i].Add(time.Second)
	}
	return u
}

func (l *Ledger) closureLocked(now time.Time) *Closure {
	if l.trouble.active() {
		return &Closure{Window: l.trouble.window, Since: l.trouble.since, Until: l.trouble.until, Told: l.trouble.told}
	}
	server := now.Add(l.skew)
	for _, d := range []struct {
		day    *daily
		window Window
	}{{&l.day, Day}, {&l.tenDay, TenantDay}} {
		if at := d.day.opens(server); at.After(server) {
			return &Closure{Window: d.window, Until: at.Add(-l.skew), Told: true}
		}
	}
	return nil
}

// Scarcity is how far the rest of a day's calls goes.
type Scarcity uint8

// The scarcities.
const (
	Enough     Scarcity = iota // for all that is expected and waits
	BulkLeft                   // not for all bulk work: merging is worth a wait
	NormalLeft                 // not for all normal work either: some of it moves to tomorrow whatever is done
)

const (
	// surely is by how much the expectation has to exceed what is left before normal work counts as left over.
	surely = 1.03
	// slack is the share of a day's limit that has to be left over for a day to be enough. The margins of what is forecast
	// shrink as the day goes; without it its last hour decided.
	slack = 0.01
)

// Scarce tells how far the rest of the day's calls goes.
func (l *Ledger) Scarce(now time.Time) Scarcity {
	l.mu.Lock()
	defer l.mu.Unlock()
	now = l.rollLocked(now)
	limit := l.dayLimitLocked()
	if limit == 0 {
		return Enough
	}
	server, left, w := now.Add(l.skew), float64(l.dayLeftLocked()), l.plan.waiting
	urgent, normal := l.plan.rest(server, Urgent, limit), l.plan.rest(server, Normal, limit)
	switch {
	case urgent+normal+float64(w[Urgent]+w[Normal]) > left*surely:
		return NormalLeft
	case l.plan.need(server, Urgent, limit)+l.plan.need(server, Normal, limit)+float64(w[Bulk])+slack*float64(limit) > left:
		return BulkLeft
	}
	return Enough
}

// Midnight is when the server's day ends, by our clock.
func (l *Ledger) Midnight(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rollLocked(now)
	return midnight(l.day.number + 1).Add(-l.skew)
}

// maxDaysAhead bounds the search for an ETA.
const maxDaysAhead = 60

// arrivalLocked walks through the coming hours: each takes what its minutes allow and the day has left, after what
// higher classes are expected to use. It answers when class c has made what waits, and how much is left of that
// at midnight.
func (l *Ledger) arrivalLocked(now time.Time, c Class) (eta time.Time, tomorrow int) {
	if l.plan.waiting[c] == 0 {
		return time.Time{}, 0
	}
	ahead := 0
	for higher := Urgent; higher < c; higher++ {
		ahead += l.plan.waiting[higher]
	}
	work, at := float64(ahead+l.plan.waiting[c]), now
	if closed := l.closureLocked(now); closed != nil && closed.Until.After(at) {
		at = closed.Until
	}
	first := dayOf(now.Add(l.skew))
	if dayOf(at.Add(l.skew)) > first {
		tomorrow = l.plan.waiting[c]
	}
	room := l.roomLocked(now, c, ahead, dayOf(at.Add(l.skew)) == first)
	for range maxDaysAhead * 24 {
		server := at.Add(l.skew)
		hour, part, _ := hoursLeft(server)
		if hour == 0 && part == 0 && dayOf(server) > first {
			if dayOf(server) == first+1 {
				tomorrow = min(int(math.Ceil(work)), l.plan.waiting[c])
			}
			room = l.roomLocked(now, c, ahead, false)
		}
		end := midnight(dayOf(server)).Add(time.Duration(hour+1) * time.Hour)
		can := min(l.pacedLocked(hour, 1-part, c), room)
		if can >= work {
			return at.Add(time.Duration(float64(end.Sub(server)) * work / can)), tomorrow
		}
		work, room, at = work-can, room-can, end.Add(-l.skew)
	}
	return at, tomorrow
}

// roomLocked is what class c, and what waits ahead of it, may take of a day.
func (l *Ledger) roomLocked(now time.Time, c Class, ahead int, today bool) float64 {
	limit := l.dayLimitLocked()
	if limit == 0 {
		return math.Inf(1)
	}
	if today {
		return max(0, float64(l.dayLeftLocked()-l.keptLocked(now, c)+ahead))
	}
	room := float64(limit)
	for hour := range 24 {
		for higher := Urgent; higher < c; higher++ {
			room -= l.plan.mean[hour][higher]
		}
	}
	return max(0, room)
}

// pacedLocked is what the minutes of an hour, or of a share of it, give class c.
func (l *Ledger) pacedLocked(hour int, share float64, c Class) float64 {
	if l.minute.limit == 0 {
		return math.Inf(1)
	}
	can := 60 * float64(max(1, l.minute.limit-l.spareLocked()))
	for higher := Urgent; higher < c; higher++ {
		can -= l.plan.mean[hour][higher]
	}
	return max(0, can*share)
}
