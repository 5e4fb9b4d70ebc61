package calls

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/quota"
)

// Planner spends the permits of one quota group. It is safe for concurrent use; Close ends it.
type Planner struct {
	c     Config
	log   *slog.Logger
	calls context.Context // of the calls to Keap: outlives the asks, ends when Close gives up waiting
	abort context.CancelFunc
	wake  chan struct{} // holds one
	owned sync.WaitGroup
	quit  chan struct{}

	tags   tagCache
	models modelCache
	found  lookups
	lines  turnstile
	xmlrpc outages

	mu      sync.Mutex // guards all below
	closed  bool
	landed  chan struct{} // set while closing: closed when the last call has ended
	board   *board
	flying  int
	lent    int                  // places of flying calls that wait for a permit of their own: see Extra
	capOf   map[columnKey]int    // caps learned from refusals, by account and action
	batch   map[string]int       // Account.Batch, by account
	merge   map[string]*upsert   // contact writes that have not been sent, by account and person
	hurried map[string]time.Time // contacts with an urgent event behind what is in hand, and until when
	pauses  map[string]*Closed   // by account; "" for all
	saving  bool                 // a block of permits is being reserved
	unsafe  error                // why no block can be reserved
	tally   tally
	stuck   [len(events.Priorities)]time.Time // since when nothing but lingering pairs is in hand; zero: there is more
}

// New makes a Planner and starts it.
func New(c Config) *Planner {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Planner{
		c: c, log: c.Log, calls: ctx, abort: cancel, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		capOf: map[columnKey]int{}, batch: map[string]int{}, merge: map[string]*upsert{}, hurried: map[string]time.Time{}, pauses: map[string]*Closed{}, tally: newTally(),
	}
	p.board = newBoard(p.capLocked)
	p.lines.held = map[string][]*turn{}
	p.tags.accounts = map[string]*accountTags{}
	p.models.accounts = map[string]*accountModel{}
	p.found = newLookups()
	p.xmlrpc.accounts = map[string]*outage{}
	p.owned.Go(p.spend)
	return p
}

// Refuse gives back what waits, and whatever is asked for from now on. Calls on their way go on. It may be called twice.
func (p *Planner) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.refuseLocked(func(events.Priority, string) error { return errStopping })
	close(p.quit)
}

// Close refuses what waits, lets calls on their way end until ctx is done, and stores the exact state of the ledger.
func (p *Planner) Close(ctx context.Context) error {
	p.Refuse()
	p.mu.Lock()
	if p.landed != nil {
		p.mu.Unlock()
		return nil
	}
	landed := make(chan struct{})
	if p.landed = landed; p.flying == 0 {
		close(landed)
	}
	p.mu.Unlock()
	var err error
	select {
	case <-landed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.abort()
	p.owned.Wait()
	if p.c.Save == nil {
		return err
	}
	return errors.Join(err, p.c.Ledger.Leave(context.WithoutCancel(ctx), time.Now(), p.c.Save))
}

// nudge makes the spender look again.
func (p *Planner) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// spend is the planner's one loop: it gives permits while there are any, and sleeps until there may be one.
func (p *Planner) spend() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		again := p.giveOut(time.Now())
		var at <-chan time.Time
		if !again.IsZero() {
			timer.Reset(max(0, time.Until(again)))
			at = timer.C
		}
		select {
		case <-p.quit:
			return
		case <-p.wake:
		case <-at:
		}
	}
}

// giveOut hands out all permits that can be had now and tells when to look again; the zero time: when woken.
func (p *Planner) giveOut(now time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return time.Time{}
	}
	l, unstuck := p.lingerLocked(now)
	p.c.Ledger.Waiting(p.demandLocked())
	var again time.Time
	sooner := func(at time.Time) {
		if !at.IsZero() && (again.IsZero() || at.Before(again)) {
			again = at
		}
	}
	for p.flying-p.lent < mostFlying {
		given := false
		for _, prio := range p.orderLocked() {
			if !p.board.ready(prio, l, now) {
				continue
			}
			a := p.c.Ledger.Take(now, quota.Class(prio))
			if a.OK {
				p.startLocked(prio, l, now)
				given = true
				break
			}
			if a.Window == quota.Unsaved {
				p.reserveLocked()
				break
			}
			p.waitLocked(a, now)
			sooner(a.At)
		}
		if !given {
			break
		}
		p.c.Ledger.Waiting(p.demandLocked())
	}
	if p.c.Save != nil && p.c.Ledger.Reserved() <= quota.Block/2 {
		p.reserveLocked()
	}
	sooner(p.board.wakes(l, now))
	sooner(unstuck)
	return again
}

// orderLocked is the order of priorities; bulk work comes before normal when it would starve.
func (p *Planner) orderLocked() [len(events.Priorities)]events.Priority {
	if p.c.Ledger.BulkOwed() {
		return [...]events.Priority{events.Urgent, events.Bulk, events.Normal}
	}
	return events.Priorities
}

// startLocked spends a permit that was given.
func (p *Planner) startLocked(prio events.Priority, l lingering, now time.Time) {
	s, t := p.board.next(prio, l, now)
	p.flying++
	if s != nil {
		s.answered <- nil // the asker makes the call and says when it ended
		return
	}
	p.owned.Go(func() {
		p.sendBatch(t)
		p.land()
	})
}

// land ends a permitted call.
func (p *Planner) land() {
	p.c.Ledger.Finished(time.Now())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
	if p.landed != nil && p.flying == 0 {
		close(p.landed)
	}
	p.nudge()
}

// waitLocked decides what becomes of work that the ledger has no permit for: short closures are waited out, and so is
// the plan of the day; for long closures the events are given back.
func (p *Planner) waitLocked(a quota.Answer, now time.Time) {
	if a.Window == quota.Plan || a.At.Sub(now) <= parkAfter {
		return
	}
	closed := &Closed{Until: a.At, Reason: reasonOf(a.Window), Detail: closedDetail(a)}
	p.refuseLocked(func(events.Priority, string) error { return closed })
}

// refuseLocked answers everything that waits and that why has an error for.
func (p *Planner) refuseLocked(why func(prio events.Priority, account string) error) {
	b := p.board
	for prio := range events.Priorities {
		for r := range b.solos[prio] {
			for e := b.solos[prio][r].Front(); e != nil; {
				s := e.Value.(*solo)
				e = e.Next()
				if err := why(s.prio, s.account); err != nil {
					b.dropSolo(s)
					s.answered <- err
				}
			}
		}
		for e := b.queues[prio].Front(); e != nil; {
			q := e.Value.(*pair)
			e = e.Next()
			if err := why(q.prio, q.column.key.account); err != nil {
				b.drop(q)
				for _, seat := range q.seats {
					seat.answered <- seatAnswer{err: err}
				}
			}
		}
	}
}

// reserveLocked writes the next block of permits ahead, in the background.
func (p *Planner) reserveLocked() {
	if p.saving || p.c.Save == nil {
		return
	}
	p.saving = true
	p.owned.Go(func() {
		err := p.c.Ledger.Reserve(p.calls, time.Now(), p.c.Save)
		p.mu.Lock()
		first := err != nil && p.unsafe == nil
		p.unsafe, p.saving = err, err != nil
		p.mu.Unlock()
		if err == nil {
			p.nudge()
			return
		}
		if first {
			p.log.Error("no calls are made: the quota ledger cannot be stored", "group", p.c.Group, "err", err)
		}
		pause := time.NewTimer(time.Second)
		defer pause.Stop()
		select {
		case <-p.quit:
			return
		case <-pause.C:
		}
		p.mu.Lock()
		p.saving = false
		p.mu.Unlock()
		p.nudge()
	})
}

// demandLocked estimates the calls that wait in each priority.
func (p *Planner) demandLocked() (calls [len(events.Priorities)]int) {
	solos, pairs := p.board.waiting()
	columns := len(p.board.columns)
	behind := p.behind()
	for prio := range calls {
		calls[prio] = solos[prio] + min(pairs[prio], max(columns, (pairs[prio]+columnCap-1)/columnCap)) + p.tally.callsFor(behind[prio])
	}
	return calls
}

// behind is how many events of each priority wait that are not in hand.
func (p *Planner) behind() (n [len(events.Priorities)]int) {
	if p.c.Behind != nil {
		n = p.c.Behind()
	}
	return n
}

func (p *Planner) capLocked(key columnKey) int {
	if most, ok := p.capOf[columnKey{account: key.account, action: key.action}]; ok {
		return most
	}
	most := columnCap
	if n := p.batch[key.account]; n > 0 {
		most = n
	}
	if key.action == sendTemplate {
		most = min(most, doubtCap)
	}
	return most
}

// permit waits for one permit. release must be called when the call has ended.
func (p *Planner) permit(ctx context.Context, s *solo) (release func(), err error) {
	s.answered = make(chan error, 1)
	s.since = time.Now()
	p.mu.Lock()
	if err := p.pausedLocked(s.account); err != nil {
		p.mu.Unlock()
		return nil, err
	}
	s.prio = min(s.prio, s.errand.mostUrgent())
	p.board.addSolo(s)
	p.mu.Unlock()
	p.nudge()
	select {
	case err = <-s.answered:
	case <-ctx.Done():
		p.mu.Lock()
		waited := p.board.dropSolo(s)
		p.mu.Unlock()
		if waited {
			return nil, ctx.Err()
		}
		err = <-s.answered // the permit came at the same time: it is used
	}
	if err != nil {
		return nil, err
	}
	return p.land, nil
}

// pausedLocked tells why nothing is sent for an account.
func (p *Planner) pausedLocked(account string) error {
	if p.closed {
		return errStopping
	}
	for _, name := range []string{"", account} {
		if c := p.pauses[name]; c != nil {
			if time.Now().Before(c.Until) {
				return c
			}
			delete(p.pauses, name)
		}
	}
	return nil
}

// Extra waits for a permit for one more request of a call that is being made: the confirmation of a refused key. The
// call's place is free for it meanwhile: otherwise all places could be waiting for one.
func (p *Planner) Extra(ctx context.Context) error {
	lend := func(n int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lent += n
	}
	lend(1)
	defer lend(-1)
	done, err := p.Permit(ctx, events.Urgent)
	if err == nil {
		done()
	}
	return err
}

// Permit waits for a permit for one call that is made beside the planner: a page of a list. done must be called when
// the call has ended.
func (p *Planner) Permit(ctx context.Context, prio events.Priority) (done func(), err error) {
	return p.permit(ctx, &solo{prio: prio, rank: ending})
}
