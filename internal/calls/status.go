package calls

import (
	"maps"
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
	Costs   Costs
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
	s.Linger = p.lingerLocked(now)[events.Normal]
	s.Costs = p.tally.costs()
	return s
}

// Costs is what calls were made for since the planner began, or since midnight UTC where that is later.
type Costs struct {
	Since time.Time
	Calls int
	By    map[string]int      // by operation
	Rules map[string]RuleCost // by rule
}

// RuleCost is what one rule has cost. A call that served several steps is shared out among them.
type RuleCost struct {
	Steps int
	Calls float64
	Goals int // calls for API goals: a tag goal would cost less, because tags share calls
}

// tally counts calls.
type tally struct {
	day    int64
	since  time.Time
	calls  int
	steps  int
	by     map[string]int
	rules  map[string]RuleCost
	events map[string]struct{} // keys served today, for calls an event
}

func newTally() tally {
	return tally{by: map[string]int{}, rules: map[string]RuleCost{}, events: map[string]struct{}{}}
}

// mostEvents bounds how many events the mean is taken over.
const mostEvents = 20_000

func (y *tally) add(at time.Time, operation string, _ events.Priority, served []events.Served) {
	if day := at.UTC().Unix() / 86400; day != y.day {
		*y = newTally()
		y.day, y.since = day, at
	}
	y.calls++
	y.by[operation]++
	for _, s := range served {
		c := y.rules[s.Rule]
		c.Steps++
		c.Calls += 1 / float64(len(served))
		if operation == "goals.achieve" {
			c.Goals++
		}
		y.rules[s.Rule] = c
		if len(y.events) < mostEvents {
			y.events[s.Key] = struct{}{}
		}
	}
}

// callsFor estimates the calls that events will take that are not in hand yet.
func (y *tally) callsFor(n int) int {
	each := 2.0
	if len(y.events) >= 50 && len(y.events) < mostEvents {
		each = max(1, float64(y.calls)/float64(len(y.events)))
	}
	return int(each * float64(n))
}

func (y *tally) costs() Costs {
	return Costs{Since: y.since, Calls: y.calls, By: maps.Clone(y.by), Rules: maps.Clone(y.rules)}
}
