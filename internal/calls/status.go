package calls

import (
	"time"

	"bridge/internal/events"
	"bridge/internal/quota"
)

// Status is a planner as people see it.
type Status struct {
	Quota   quota.Outlook
	Steps   [len(events.Priorities)]int // that wait here, by priority
	Flying  int                         // calls on their way
	Linger  time.Duration               // how long tags of normal work wait for company now; 0: not at all
	Paused  map[string]Closed           // accounts whose credential is refused
	Outages map[string]time.Time        // accounts whose XML-RPC is away, and since when
}

// Status tells how the planner stands.
func (p *Planner) Status() Status {
	now := time.Now()
	s := Status{Quota: p.c.Ledger.Outlook(now), Paused: map[string]Closed{}, Outages: map[string]time.Time{}}
	p.xmlrpc.mu.Lock()
	for account, o := range p.xmlrpc.accounts {
		if !o.since.IsZero() {
			s.Outages[account] = o.since
		}
	}
	p.xmlrpc.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	solos, pairs := p.board.waiting()
	for prio := range s.Steps {
		s.Steps[prio] = solos[prio] + pairs[prio]
	}
	for account, c := range p.pauses {
		if now.Before(c.Until) {
			s.Paused[account] = *c
		}
	}
	s.Flying = p.flying
	l, _ := p.lingerLocked(now)
	s.Linger = l[events.Normal]
	return s
}

// tally counts today's calls and the events that they served, for what an event costs on average.
type tally struct {
	day    int64
	calls  int
	events map[string]struct{} // by key
}

func newTally() tally { return tally{events: map[string]struct{}{}} }

// mostEvents bounds how many events the mean is taken over.
const mostEvents = 5000

func (y *tally) add(at time.Time, served []events.Served) {
	if day := at.UTC().Unix() / 86400; day != y.day {
		*y = newTally()
		y.day = day
	}
	if len(y.events) >= mostEvents {
		return
	}
	y.calls++
	for _, s := range served {
		y.events[s.Key] = struct{}{}
	}
}

// callsFor estimates the calls that events will take that are not in hand yet.
func (y *tally) callsFor(n int) int {
	each := 2.0
	if len(y.events) >= 50 {
		each = max(1, float64(y.calls)/float64(len(y.events)))
	}
	return int(each * float64(n))
}
