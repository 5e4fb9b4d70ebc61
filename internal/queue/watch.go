package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// sweepEvery is how often a process looks for work that nobody told it of.
const sweepEvery = 30 * time.Second

const subjectActive = subjectLedger + "active."

// register notes groups that are about to get work, once each. A start asks the register which groups to look at:
// listing the subjects of a million waiting pointers would take many seconds.
func (q *Queue) register(ctx context.Context, units map[groupLane]bool) error {
	for u := range units {
		if _, known := q.active.Load(u.group); known {
			continue
		}
		_, err := q.put(ctx, &nats.Msg{Subject: subjectActive + u.group}, jetstream.WithExpectLastSequencePerSubject(0))
		if err != nil && !lostRace(err) {
			return fmt.Errorf("register a group: %w", err)
		}
		q.active.Store(u.group, true)
	}
	return nil
}

// watch wakes the groups that have work and that this process is to own: at the start, when processes come or go,
// and now and then.
func (w *work) watch() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		changed := w.members.changed()
		if err := w.sweep(w.ctx); err != nil && w.ctx.Err() == nil {
			w.q.log.Warn("looking for work failed", "err", err)
		}
		select {
		case <-w.ctx.Done():
			return
		case <-tick.C:
		case <-changed:
		}
	}
}

// sweep looks at every registered group that is not open.
func (w *work) sweep(ctx context.Context) error {
	waiting := uint64(0)
	for shard := range workShards {
		info, err := w.q.info(ctx, streamWork+strconv.Itoa(shard))
		if err != nil {
			return err
		}
		waiting += info.State.Msgs
	}
	if waiting == 0 {
		return nil
	}
	groups, err := w.registered(ctx)
	if err != nil {
		return err
	}
	for _, lanes := range [][]events.Priority{{events.Urgent}, events.Priorities[:]} { // what is urgent goes first
		for _, name := range groups {
			if err := w.look(ctx, name, lanes); err != nil {
				return err
			}
		}
	}
	return nil
}

// look wakes a group when there is work in the lanes given.
func (w *work) look(ctx context.Context, name string, lanes []events.Priority) error {
	w.mu.Lock()
	_, open := w.open[name]
	w.mu.Unlock()
	w.q.active.Store(name, true)
	if open || w.members.owner(groupUnit(name)) != w.members.self() {
		return nil
	}
	filter := workOf(name) + "*"
	if len(lanes) == 1 {
		filter = workSubject(name, lanes[0])
	}
	_, err := w.q.get(ctx, workStream(name), 1, jetstream.WithGetMsgSubject(filter))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err == nil {
		w.wake(name, lanes...)
	}
	return err
}

func (w *work) registered(ctx context.Context) ([]string, error) {
	info, err := w.q.info(ctx, streamLedger, jetstream.WithSubjectFilter(subjectActive+"*"))
	if err != nil {
		return nil, err
	}
	var groups []string
	for subject := range info.State.Subjects {
		groups = append(groups, strings.TrimPrefix(subject, subjectActive))
	}
	return groups, nil
}

// forget takes an idle group off the list; false when it has been woken meanwhile.
func (w *work) forget(g *group) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ln := range g.lanes {
		if ln.hint.more.Load() && !w.stopped {
			return false
		}
	}
	delete(w.open, g.name)
	return true
}

// hold counts bytes in hand. When there is room again, every group may be waiting for it.
func (w *work) hold(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	full := w.held >= processMax
	if w.held += bytes; full && w.held < processMax {
		for _, g := range w.open {
			signal(g.nudge)
		}
	}
}

func (w *work) hasRoom() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held < processMax
}

// pause waits before something is tried again, or until the process stops.
func (w *work) pause(d time.Duration) { sleep(w.ctx, d) }

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
