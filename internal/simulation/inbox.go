package simulation

import (
	"context"
	"errors"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/queue"
)

// laneShare bounds, in percent, how much of the hands a priority and those below it may fill, so that what is urgent
// always finds room; as in package queue.
var laneShare = [len(events.Priorities)]int{100, 80, 35}

// deliverySize is what an event takes in memory, its sender's body included: an order of five KB of JSON, times three.
const deliverySize = 15_000

// errNotOwner answers a process that has lost the group.
var errNotOwner = errors.New("another process owns the group")

// entry is one event in the inbox, from its arrival on.
type entry struct {
	*Arrival
	event   events.Event
	contact string // hashed order key
	lane    events.Priority
	begun   bool   // some process had it in hand
	inHand  uint64 // epoch of the process that has it; 0: none
	settled bool
	doubted bool           // a person has to say what happened
	verdict events.Verdict // the last one
	done    time.Time
}

// inbox is the queue in memory: it holds what has arrived and is not settled, and gives it to the process that owns
// the group, in the order of the log within each priority. It is safe for concurrent use.
type inbox struct {
	store *store                       // memory, leases and ledger
	heard func(*entry, events.Verdict) // hears of every verdict that is recorded; may be nil
	empty chan struct{}                // closed when nothing is open and nothing more comes

	mu      sync.Mutex // guards all below
	entries []*entry   // by sequence, which is the index plus one
	waiting [len(events.Priorities)][]*entry
	held    [len(events.Priorities)]int // in the owner's hands
	doubts  []*entry                    // for a person
	busy    map[string]int              // events in the owner's hands, by contact
	epoch   uint64                      // of the owner
	nudge   chan struct{}               // of the owner's feeder; holds one
	open    int                         // entries that are not settled
	more    bool                        // arrivals are still to come
}

func newInbox(s *store) *inbox {
	return &inbox{store: s, more: true, empty: make(chan struct{}), nudge: make(chan struct{}, 1), busy: map[string]int{}}
}

// add puts arrivals at the end of the log.
func (q *inbox) add(list ...*entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range list {
		q.entries = append(q.entries, e)
		q.waiting[e.lane] = append(q.waiting[e.lane], e)
		q.open++
	}
	q.wakeLocked()
}

// last says that no more arrivals come.
func (q *inbox) last() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.more = false
	q.endLocked()
}

func (q *inbox) endLocked() {
	if !q.more && q.open == 0 {
		close(q.empty)
		q.more = true // closed once
	}
}

func (q *inbox) wakeLocked() {
	select {
	case q.nudge <- struct{}{}:
	default:
	}
}

// own gives the group to a new process, fenced: whatever is not settled will be delivered to it, and what the process
// before it decides from now on is refused.
func (q *inbox) own() *lease {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.epoch++
	q.nudge = make(chan struct{}, 1)
	q.held, q.busy = [len(events.Priorities)]int{}, map[string]int{}
	for p := range q.waiting {
		q.waiting[p] = nil
	}
	for _, e := range q.entries {
		if !e.settled && !e.doubted {
			e.inHand = 0
			q.waiting[e.lane] = append(q.waiting[e.lane], e)
		}
	}
	q.wakeLocked()
	return &lease{inbox: q, epoch: q.epoch, nudge: q.nudge}
}

// serve hands deliveries over while there is room, until quit, as the work loop of package queue does.
func (q *inbox) serve(l *lease, hands queue.Hands, quit <-chan struct{}) {
	for {
		room, bytes := hands.Room()
		if bytes <= 0 {
			room = 0
		}
		e, d := q.take(l.epoch, room)
		if e == nil {
			select {
			case <-quit:
				return
			case <-l.nudge:
			case <-hands.Freed():
			}
			continue
		}
		hands.Take(d, func(_ context.Context, v events.Verdict) error { return q.decide(l.epoch, e, v) })
		// One delivery after another: among thousands of runnable goroutines the scheduler picks an order that no seed
		// repeats.
		time.Sleep(1)
	}
}

// owner is the epoch of the owning process.
func (q *inbox) owner() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.epoch
}

// behind counts what waits and is not in hand.
func (q *inbox) behind() (n [len(events.Priorities)]int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p := range q.waiting {
		n[p] = len(q.waiting[p])
	}
	return n
}

// take hands out one delivery, the most urgent that there is room for; nil when there is none.
func (q *inbox) take(epoch uint64, room int) (*entry, events.Delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if epoch != q.epoch || room <= 0 {
		return nil, events.Delivery{}
	}
	total := room + q.held[0] + q.held[1] + q.held[2]
	for p := range q.waiting {
		below := 0
		for _, n := range q.held[p:] {
			below += n
		}
		if len(q.waiting[p]) == 0 || total*laneShare[p]/100 <= below {
			continue
		}
		e := q.waiting[p][0]
		q.waiting[p][0] = nil
		q.waiting[p] = q.waiting[p][1:]
		q.held[p]++
		q.busy[e.contact]++
		d := events.Delivery{
			Event: e.event, Seq: uint64(e.N) + 1, Group: group, Priority: e.lane, Contact: e.contact, First: !e.begun,
			Received: e.At, Size: deliverySize,
		}
		if e.begun {
			marks := q.store.marks(e.event.Key())
			d.Attempt, d.NotBefore = marks.Attempts, marks.NotBefore
		}
		e.begun, e.inHand = true, epoch
		return e, d
	}
	return nil, events.Delivery{}
}

// decide records what a process decided about a delivery.
func (q *inbox) decide(epoch uint64, e *entry, v events.Verdict) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if epoch != q.epoch || e.inHand != epoch {
		return errNotOwner
	}
	e.verdict = v
	if q.heard != nil {
		q.heard(e, v)
	}
	if !v.State().Settled() {
		return nil
	}
	e.inHand = 0
	q.held[e.lane]--
	if q.busy[e.contact]--; q.busy[e.contact] == 0 {
		delete(q.busy, e.contact)
	}
	if v.State() == events.InDoubt {
		e.doubted = true
		q.doubts = append(q.doubts, e)
		return nil
	}
	e.settled, e.done = true, time.Now()
	q.open--
	q.endLocked()
	return nil
}

// resolve has the doubts answered of contacts that have nothing else in hand, and puts their events back in line.
func (q *inbox) resolve(answer func(*entry)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var left []*entry
	for _, e := range q.doubts {
		if q.busy[e.contact] > 0 {
			left = append(left, e)
			continue
		}
		answer(e)
		e.doubted, e.verdict = false, events.Verdict{}
		q.waiting[e.lane] = append(q.waiting[e.lane], e)
	}
	q.doubts = left
	q.wakeLocked()
}

// EventBySeq reads an event of the log again.
func (q *inbox) EventBySeq(_ context.Context, seq uint64) (*events.Event, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.entries[seq-1].event
	return &e, nil
}
