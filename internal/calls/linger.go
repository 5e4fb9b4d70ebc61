package calls

import (
	"time"

	"bridge/internal/events"
	"bridge/internal/quota"
)

// lingering is how long pairs of each priority wait for company; 0: not at all.
type lingering [len(events.Priorities)]time.Duration

// due tells whether a pair must go before contacts.
func (l lingering) due(p *pair, now time.Time) bool {
	return now.Sub(p.since) >= max(l[p.prio], starved)
}

// lingerLocked is how long pairs wait for company now. Shortly before midnight they wait less and less: what is begun
// shall end on the day that paid for it. again is when to ask again because hands may be full of what waits.
func (p *Planner) lingerLocked(now time.Time) (l lingering, again time.Time) {
	l[events.Bulk] = bulkLinger
	switch p.c.Ledger.Scarce(now) {
	case quota.BulkLeft:
		l[events.Normal], l[events.Bulk] = longLinger, leftLinger
	case quota.NormalLeft:
		l[events.Normal], l[events.Bulk] = leftLinger, leftLinger
	}
	if left := p.c.Ledger.Midnight(now).Sub(now); left < lastFlush {
		if l[events.Normal] = min(l[events.Normal], left/3); l[events.Normal] < starved {
			l[events.Normal] = 0
		}
	}
	return l, p.unstickLocked(&l, now)
}

// unstickLocked ends the lingering of a priority when nothing else of it has been in hand for a while though more of it
// is behind.
func (p *Planner) unstickLocked(l *lingering, now time.Time) (again time.Time) {
	solos, pairs := p.board.waiting()
	behind := p.behind()
	for prio := events.Normal; prio <= events.Bulk; prio++ {
		if solos[prio] > 0 || pairs[prio] == 0 || behind[prio] == 0 {
			p.stuck[prio] = time.Time{}
			continue
		}
		if p.stuck[prio].IsZero() {
			p.stuck[prio] = now
		}
		at := p.stuck[prio].Add(stalled)
		switch {
		case !now.Before(at):
			l[prio] = 0
		case again.IsZero() || at.Before(again):
			again = at
		}
	}
	return again
}
