package queue

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// subjectWake is where processes tell each other, over core NATS, which units have new work. A lost message costs
// time only: owners look for themselves now and then.
const subjectWake = "bridge.wake"

// wakeGone tells that events were erased.
const wakeGone = "gone"

// work is the working side of a process: the router and the quota groups that it owns.
type work struct {
	q       *Queue
	groups  Groups
	front   Front
	ids     IDs
	members membership
	opening chan struct{} // bounds how many groups are taken at once
	router  *router
	wakes   *nats.Subscription
	strays  strays

	ctx    context.Context // ends when the process stops taking
	cancel context.CancelFunc
	closed context.Context // ends when what is in hand has to be dropped
	drop   context.CancelFunc
	all    sync.WaitGroup

	mu      sync.Mutex
	open    map[string]*group // by name
	stopped bool
	held    int // bytes in hand, all groups
}

// Start begins to route and to work. groups opens the working side of a quota group, front decides about events, ids
// is an index of the log that follows it (through Tail). It returns at once; routing begins when ids has caught up.
func (q *Queue) Start(ctx context.Context, groups Groups, front Front, ids IDs) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closing || q.work != nil {
		return errors.New("the queue is closed or has been started")
	}
	w := &work{q: q, groups: groups, front: front, ids: ids, open: map[string]*group{}, opening: make(chan struct{}, 16), strays: newStrays()}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.closed, w.drop = context.WithCancel(context.Background())
	w.router = newRouter(w)
	if err := w.join(ctx); err != nil {
		w.cancel()
		w.drop()
		return err
	}
	q.work = w
	w.all.Go(w.router.run)
	w.all.Go(w.watch)
	w.all.Go(w.returnStrays)
	return nil
}

// join makes this process one of those that share the work.
func (w *work) join(ctx context.Context) (err error) {
	q := w.q
	w.members = alone(q.process)
	if q.server != nil {
		return nil
	}
	q.base.kept.Store(true)
	if w.members, err = join(ctx, q); err != nil {
		return err
	}
	if w.wakes, err = q.nc.Subscribe(subjectWake, w.woken); err != nil {
		return errors.Join(err, w.members.leave(ctx))
	}
	return nil
}

// woken takes a wake message: a unit a line, "front" or "<group>.<lane>".
func (w *work) woken(m *nats.Msg) {
	for unit := range strings.SplitSeq(string(m.Data), "\n") {
		switch unit {
		case frontUnit:
			w.router.wakeUp()
			continue
		case wakeGone:
			w.q.routed.clear()
			signal(w.router.graves)
			continue
		}
		name, lane, _ := strings.Cut(unit, ".")
		if p, err := events.ParsePriority(lane); err == nil && validToken(name) {
			w.wake(name, p)
		}
	}
}

// wake starts or nudges a group that has new work; false when another process is to own it.
func (w *work) wake(name string, lanes ...events.Priority) bool {
	return w.nudge(name, func(g *group) {
		for _, l := range lanes {
			g.lanes[l].hint.give()
		}
	})
}

// nudge gives a group that this process is to own its hints; false when another process is to own it.
func (w *work) nudge(name string, hints func(*group)) bool {
	if w.members.owner(groupUnit(name)) != w.members.self() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return true
	}
	g := w.open[name]
	if g == nil {
		g = newGroup(w, name)
		w.open[name] = g
		w.all.Go(g.run)
	}
	hints(g)
	signal(g.nudge)
	return true
}

// wakeAll wakes the owners of groups that have new work, wherever they are. upTo has the places of the last of it by
// subject, as far as they are known.
func (w *work) wakeAll(units map[groupLane]bool, upTo map[string]uint64) {
	var elsewhere []string
	for u := range units {
		seq := upTo[workSubject(u.group, u.lane)]
		mine := w.nudge(u.group, func(g *group) {
			if h := &g.lanes[u.lane].hint; seq > 0 {
				h.giveUpTo(seq)
			} else {
				h.give()
			}
		})
		if !mine {
			elsewhere = append(elsewhere, u.group+"."+u.lane.String())
		}
	}
	if len(elsewhere) > 0 {
		w.q.tell(strings.Join(elsewhere, "\n"))
	}
}

// groupLane names a lane.
type groupLane struct {
	group string
	lane  events.Priority
}

// routes tells whether this process is the one that routes.
func (q *Queue) routes() bool {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	return w != nil && w.router.owned()
}

// wakeFront tells the router that something was accepted.
func (q *Queue) wakeFront() {
	if q.routes() {
		q.work.router.wakeUp()
	} else if q.nc != nil && q.server == nil {
		q.tell(frontUnit)
	}
}

func (q *Queue) tell(units string) {
	if err := q.nc.Publish(subjectWake, []byte(units)); err != nil {
		q.log.Debug("a wake message was not sent", "err", err)
	}
}

// parting is how much longer than a stop may take a unit is tried to be given back.
const parting = time.Second

// givingBack bounds how long a unit is tried to be given back: a server that has fallen silent must not hold up a stop.
// Whoever is to have the unit gets it all the same, when the lease of this process is over.
func (w *work) givingBack() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	stop := context.AfterFunc(w.closed, func() { time.AfterFunc(parting, cancel) })
	return ctx, func() { stop(); cancel() }
}

// Stop ends routing and working: nothing more is taken, calls in the middle end until ctx is done, what is unsettled
// stays in the queue for the next owner. Accept and Record go on working until Close.
func (q *Queue) Stop(ctx context.Context) error { return q.stopWork(ctx) }

func (q *Queue) stopWork(ctx context.Context) error {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	if w == nil {
		return nil
	}
	w.mu.Lock()
	again := w.stopped
	w.stopped = true
	w.mu.Unlock()
	if again {
		return nil
	}
	stop := context.AfterFunc(ctx, w.drop)
	defer stop()
	w.cancel()
	w.all.Wait()
	w.drop()
	parted, cancel := w.givingBack()
	defer cancel()
	err := w.members.leave(parted)
	if w.wakes != nil {
		err = errors.Join(err, w.wakes.Unsubscribe())
	}
	return err
}
