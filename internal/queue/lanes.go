package queue

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// room tells how many deliveries of a lane may be taken. What is parked takes no place: the hands bound it themselves. What
// is urgent need not wait until other groups have let go of their events.
func (g *group) room(ln *lane) int {
	deliveries, bytes := g.hands.Room()
	if bytes <= 0 || ln.priority != events.Urgent && !g.w.hasRoom() {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	all, below := 0, 0 // to be worked; of these, at this priority or below it
	for _, l := range g.lanes {
		all += l.held - l.parked
		if l.priority >= ln.priority {
			below += l.held - l.parked
		}
	}
	return min(deliveries, (all+deliveries)*laneShare[ln.priority]/100-below)
}

// weigh counts for the whole process what the hands hold now: they let go of an event's body when they begin to work on
// it, or park it.
func (g *group) weigh() {
	_, left := g.hands.Room()
	held := max(0, g.capacity-left)
	g.w.hold(held - g.weight)
	g.weight = held
}

// fetch takes up to n messages of a lane. A lane without a consumer gets one only when there is something for it: of three
// lanes most groups use one.
func (g *group) fetch(ctx context.Context, ln *lane, n int) ([]*delivered, error) {
	if ln.consumer == nil {
		waits, err := g.waits(ctx, ln)
		if err != nil || !waits {
			return nil, err
		}
		if err := g.openLane(ctx, ln); err != nil {
			return nil, err
		}
	}
	return ln.puller.take(n)
}

// waits tells whether there is work in a lane.
func (g *group) waits(ctx context.Context, ln *lane) (bool, error) {
	_, err := g.q.get(ctx, workStream(g.name), 1, jetstream.WithGetMsgSubject(workSubject(g.name, ln.priority)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (g *group) openLane(ctx context.Context, ln *lane) error {
	name := ln.priority.String()
	c, err := g.q.consume(ctx, workStream(g.name), "disp-"+g.name+"-"+name, g.lease.Epoch(), workSubject(g.name, ln.priority))
	if err != nil {
		return err
	}
	if ln.puller, err = g.q.newPuller(workStream(g.name), c.CachedInfo().Name); err != nil {
		return err
	}
	ln.consumer, ln.used = c, g.q.opt.Now()
	return nil
}

// closeIdle deletes the consumers of lanes without work: a thousand idle ones cost memory and traffic.
func (g *group) closeIdle(ctx context.Context) {
	for _, ln := range g.lanes {
		g.mu.Lock()
		held := ln.held
		g.mu.Unlock()
		if held == 0 && g.q.opt.Now().Sub(ln.used) > laneIdle {
			g.closeLane(ctx, ln)
		}
	}
}

// lookAgain finds work that nobody told of: a wake message may be lost.
func (g *group) lookAgain(ctx context.Context) error {
	for _, ln := range g.lanes {
		if ln.consumer == nil {
			waits, err := g.waits(ctx, ln)
			if err != nil {
				return fmt.Errorf("look for work: %w", err)
			}
			if !waits {
				continue
			}
		}
		ln.hint.give()
		signal(g.nudge)
	}
	return nil
}

func (g *group) closeLane(ctx context.Context, ln *lane) {
	if ln.consumer == nil {
		return
	}
	name := ln.consumer.CachedInfo().Name
	ln.puller.close()
	ln.consumer, ln.puller = nil, nil
	if err := g.q.streams[workStream(g.name)].DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		g.q.log.Debug("a consumer was not deleted", "consumer", name, "err", err)
	}
}
