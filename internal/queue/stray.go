package queue

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// strays are units that may stand in the ledger under our name although nobody here uses them: an answer was lost when
// they were taken or given back. Nobody else can have them while this process lives, so they are given back until
// that succeeds.
type strays chan *lease

func newStrays() strays { return make(strays, 64) }

// add never blocks for long: what takes them off is always there while units are taken.
func (w *work) stray(l *lease) {
	select {
	case w.strays <- l:
	case <-w.ctx.Done(): // this process is about to leave: then everybody knows that it uses nothing
	}
}

// take makes a unit ours; see acquire.
func (w *work) take(ctx context.Context, unit string) (*lease, error) {
	l, next, err := w.q.claim(ctx, w.members, unit)
	if err != nil {
		return nil, err
	}
	if err = l.store(ctx, next); err == nil {
		return l, nil
	}
	if !errors.Is(err, ErrLostOwnership) {
		l.held = next // perhaps
		w.stray(l)
	}
	return nil, err
}

// giveBack releases what nobody here uses any more.
func (w *work) giveBack(ctx context.Context, l *lease) {
	if err := l.release(ctx); err != nil {
		w.q.log.Warn("a unit could not be given back; trying again", "unit", l.unit, "err", err)
		w.stray(l)
	}
}

// returnStrays gives strays back until this process stops.
func (w *work) returnStrays() {
	var left []*lease
	tick := time.NewTicker(retryRound)
	defer tick.Stop()
	for {
		select {
		case l := <-w.strays:
			left = append(left, l)
			continue
		case <-tick.C:
		case <-w.ctx.Done():
			return
		}
		var again []*lease
		for _, l := range left {
			if err := l.release(w.ctx); err != nil {
				w.q.log.Debug("a unit could not be given back", "unit", l.unit, "err", err)
				again = append(again, l)
			}
		}
		left = again
	}
}

// ownedLong is after how long it is said that a unit which this process is to have is still held by another.
const ownedLong = 10 * time.Second

// overdue notices that a former owner does not let go.
type overdue struct {
	since time.Time
	told  bool
}

// note takes how an attempt to have a unit went, at now.
func (o *overdue) note(log *slog.Logger, unit string, now time.Time, err error) {
	switch {
	case !errors.Is(err, errOwned):
		*o = overdue{}
	case o.since.IsZero():
		o.since = now
	case !o.told && now.Sub(o.since) >= ownedLong:
		o.told = true
		log.Warn("another process that lives still owns what this one is to have", "unit", unit, "since", o.since)
	}
}
