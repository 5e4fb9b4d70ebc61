package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// Bounds of what is taken.
const (
	takeAtOnce = 256
	processMax = 256 << 20 // bytes that all hands together hold
	bodyFactor = 3         // an event in memory against its JSON

	retryOwned = 100 * time.Millisecond // a group that its former owner is about to give back

	laneIdle  = 30 * time.Second // a lane without work for so long loses its consumer
	groupIdle = 5 * time.Minute  // a group without work for so long is given back
)

// A lower priority may fill only part of the hands, so that what is urgent always finds room: the rest of the
// capacity is kept for the priorities above it. In percent. Bulk work needs some 600 of 2,000 to fill columns of 200; more
// would leave normal work, which waits up to an hour for company on a crowded day, too few.
var laneShare = [len(events.Priorities)]int{100, 80, 35}

// group works one quota group for as long as this process owns it.
type group struct {
	w     *work
	q     *Queue
	name  string
	nudge chan struct{}
	lanes [len(events.Priorities)]*lane

	lease    *lease
	hands    Hands // written under mu too: hurry reads it
	capacity int   // bytes that the hands can hold
	weight   int   // bytes that they held when it was last looked at

	mu     sync.Mutex // guards all below
	inHand map[uint64]*taken
	broken error // a settle failed: the group has to be taken anew
}

// lane is one priority of a group.
type lane struct {
	priority events.Priority
	hint     hint
	lookAt   time.Time // when to look again after a miss; zero: when there is a hint
	consumer jetstream.Consumer
	puller   *puller   // of the consumer
	used     time.Time // the consumer last gave something
	held     int       // in hand; guarded by group.mu
	parked   int       // of these; guarded by group.mu
	behind   atomic.Int64
}

// tenure is the lease of a group as its hands see it.
type tenure struct {
	*lease
	group *group
}

// Behind implements Backlog.
func (t tenure) Behind() (n [len(events.Priorities)]int) {
	for i, ln := range t.group.lanes {
		n[i] = int(ln.behind.Load())
	}
	return n
}

// taken is one delivery in hand.
type taken struct {
	msg     *delivered // the newest copy of it
	workSeq uint64
	pointer pointer
	account string
	lane    *lane
	lease   *lease
	slot    uint64 // where its verdict put it; used by one settle at a time

	parked    bool // its last verdict parked it; guarded by group.mu, like the rest
	withdrawn bool // settled without its worker: the event was erased
}

func newGroup(w *work, name string) *group {
	g := &group{w: w, q: w.q, name: name, nudge: make(chan struct{}, 1), inHand: map[uint64]*taken{}}
	for i, p := range events.Priorities {
		g.lanes[i] = &lane{priority: p}
	}
	return g
}

// run owns and works the group until it has nothing to do or another process is to have it. What breaks a term starts a
// new one, with everything unsettled delivered again.
func (g *group) run() {
	var late overdue
	for g.w.ctx.Err() == nil {
		err := g.term()
		late.note(g.q.log, groupUnit(g.name), time.Now(), err)
		if err == nil && g.w.forget(g) {
			return
		}
		if err != nil && g.w.ctx.Err() == nil && !errors.Is(err, errOwned) {
			g.q.log.Error("a quota group stopped; taking it anew", "group", g.name, "err", err)
		}
		if errors.Is(err, errOwned) {
			g.w.pause(retryOwned)
		} else {
			g.w.pause(retryRound)
		}
	}
}

// term is one ownership of the group. nil: it has been idle, or another process is to own it.
func (g *group) term() error {
	ctx, m := g.w.ctx, g.w.members
	if m.owner(groupUnit(g.name)) != m.self() {
		for _, l := range g.lanes {
			l.hint.more.Store(false)
		}
		return nil
	}
	g.w.opening <- struct{}{}
	l, err := g.w.take(ctx, groupUnit(g.name))
	<-g.w.opening
	if err != nil {
		return err
	}
	g.lease = l
	defer g.end()
	hands, err := g.w.groups.Open(ctx, g.name, tenure{l, g})
	if err != nil {
		return fmt.Errorf("open the group: %w", err)
	}
	g.mu.Lock()
	g.hands = hands
	g.mu.Unlock()
	_, g.capacity = hands.Room()
	for _, ln := range g.lanes {
		ln.hint.give()
	}
	return g.work(ctx)
}

// end gives everything back: the hands first, so that nobody works any more when the lease goes.
func (g *group) end() {
	if g.hands != nil {
		if err := g.hands.Close(g.w.closed); err != nil && g.w.closed.Err() == nil {
			g.q.log.Error("a quota group did not close", "group", g.name, "err", err)
		}
	}
	ctx, cancel := g.w.givingBack()
	defer cancel()
	for _, ln := range g.lanes {
		g.closeLane(ctx, ln)
	}
	g.w.giveBack(ctx, g.lease)
	g.w.hold(-g.weight)
	g.weight = 0
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.inHand {
		g.letGo(t)
	}
	g.hands, g.broken = nil, nil
}

// work takes deliveries while there is room.
func (g *group) work(ctx context.Context) error {
	idle := g.q.opt.Now()
	tick := time.NewTicker(laneIdle)
	defer tick.Stop()
	progress := time.NewTicker(ackProgress)
	defer progress.Stop()
	look := time.NewTimer(laneIdle)
	defer look.Stop()
	for {
		changed := g.w.members.changed()
		held, stay, err := g.fit()
		if err != nil || !stay {
			return err
		}
		g.weigh()
		took, err := g.fill(ctx)
		if err != nil {
			return err
		}
		if took || held > 0 {
			idle = g.q.opt.Now()
		} else if g.q.opt.Now().Sub(idle) > groupIdle {
			return nil
		}
		if took {
			continue
		}
		look.Reset(g.soonest())
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		case <-g.nudge:
		case <-g.hands.Freed():
		case <-changed:
		case <-progress.C:
			g.report()
		case <-tick.C:
			g.closeIdle(ctx)
			if err := g.lookAgain(ctx); err != nil {
				return err
			}
		}
	}
}

// fit tells how much is in hand, and whether the term may go on.
func (g *group) fit() (held int, stay bool, err error) {
	g.mu.Lock()
	held, err = len(g.inHand), g.broken
	g.mu.Unlock()
	switch {
	case err != nil:
	case !g.lease.Valid():
		err = ErrLostOwnership
	default:
		stay = g.w.members.owner(groupUnit(g.name)) == g.w.members.self()
	}
	return held, stay, err
}

// soonest tells how long until a lane wants to be looked at again.
func (g *group) soonest() time.Duration {
	wait := laneIdle
	for _, ln := range g.lanes {
		if !ln.lookAt.IsZero() {
			wait = min(wait, time.Until(ln.lookAt))
		}
	}
	return max(wait, 0)
}

// fill takes what there is room for, the most urgent first; true when it took anything.
func (g *group) fill(ctx context.Context) (bool, error) {
	for _, ln := range g.lanes {
		if !ln.lookAt.IsZero() && !time.Now().Before(ln.lookAt) {
			ln.lookAt = time.Time{}
			ln.hint.more.Store(true)
		}
		if !ln.hint.more.Load() {
			continue
		}
		n := g.room(ln)
		if n <= 0 {
			continue
		}
		ln.hint.more.Store(false) // before looking: a hint that comes now counts
		n = min(n, takeAtOnce)
		msgs, err := g.fetch(ctx, ln, n)
		if err != nil {
			return false, fmt.Errorf("take work: %w", err)
		}
		if len(msgs) == 0 {
			if wait, ok := ln.hint.miss(); ok {
				ln.lookAt = time.Now().Add(wait)
			}
			continue
		}
		ln.hint.took(msgs[len(msgs)-1].seq, len(msgs) == n)
		ln.used = g.q.opt.Now()
		for _, m := range msgs {
			if err := g.take(ctx, ln, m); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// take hands one message over.
func (g *group) take(ctx context.Context, ln *lane, m *delivered) error {
	ln.behind.Store(int64(m.pending))
	g.mu.Lock()
	if t := g.inHand[m.seq]; t != nil {
		t.msg = m // delivered again while in hand: the hands keep the first
		g.mu.Unlock()
		return nil
	}
	g.mu.Unlock()
	t := &taken{msg: m, workSeq: m.seq, lane: ln, lease: g.lease}
	if err := json.Unmarshal(m.data, &t.pointer); err != nil {
		g.q.log.Error("a work message cannot be read; dropped", "seq", t.workSeq, "err", err)
		return acknowledge(ctx, m)
	}
	d := events.Delivery{
		Seq: t.pointer.Seq, Group: g.name, Priority: ln.priority, Contact: t.pointer.Contact,
		Replay: t.pointer.Job, First: t.workSeq > g.lease.since && !t.pointer.Old,
	}
	en, err := g.q.entry(ctx, t.pointer.Seq)
	if errors.Is(err, ErrUnknownEvent) {
		return g.gone(ctx, t, m)
	}
	var unreadable *unreadableEntry
	if errors.As(err, &unreadable) {
		return g.failUnreadable(ctx, t, m, unreadable)
	}
	if err != nil {
		return err
	}
	d.Event, d.Received, d.Size = *en.event, en.event.Received, bodyFactor*en.size
	t.account = en.event.Account
	g.keep(t, d.First, en.seal)
	if !d.First {
		j, err := g.q.LoadJournal(ctx, en.event.Account, t.pointer.Key)
		if err != nil {
			return err // the term ends, and with it what is in hand
		}
		if j.Marks.Job == t.pointer.Job { // else a replay begins: nothing counts yet
			d.Attempt, d.NotBefore = j.Marks.Attempts, j.Marks.NotBefore
		}
	}
	g.hands.Take(d, func(ctx context.Context, v events.Verdict) error { return g.settle(ctx, t, v) })
	return nil
}

// keep counts a delivery as in hand.
func (g *group) keep(t *taken, fresh bool, s seal) {
	g.mu.Lock()
	g.inHand[t.workSeq] = t
	t.lane.held++
	g.mu.Unlock()
	g.q.memory.hold(t.pointer.Key, fresh, s)
}

// letGo forgets a delivery that is settled or left to the next owner; g.mu must be held.
func (g *group) letGo(t *taken) {
	if g.inHand[t.workSeq] != t {
		return
	}
	delete(g.inHand, t.workSeq)
	t.lane.held--
	if t.parked {
		t.lane.parked--
	}
	g.q.memory.release(t.pointer.Key)
}

// report keeps what is in hand from being delivered again.
func (g *group) report() {
	g.mu.Lock()
	msgs := make([]*delivered, 0, len(g.inHand))
	for _, t := range g.inHand {
		msgs = append(msgs, t.msg)
	}
	g.mu.Unlock()
	for _, m := range msgs {
		_ = m.inProgress() // the worst that follows is a second delivery, which take recognises
	}
}
