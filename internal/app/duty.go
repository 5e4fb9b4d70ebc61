package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"bridge/internal/queue"
)

// duty is work that one process of an installation does for all: whoever renews the note. Others take over when it has
// not changed for dutyLife by their own clock; clocks need not agree.
type duty struct {
	notes   notes
	process string // names this process; never used again
	log     *slog.Logger
}

// How often the holder renews the note, and after how long without that somebody else takes over. The holder has stopped
// well before.
const (
	dutyBeat = 5 * time.Second
	dutyStop = 10 * time.Second
	dutyAsk  = 2 * time.Second
	dutyLife = 20 * time.Second
)

const dutyNote = "duty"

// holding is what the note says.
type holding struct {
	Process string `json:"process"` // "": given back
	Beat    int    `json:"beat"`
}

// do runs work whenever this process holds the duty, until ctx ends. work ends with its context.
func (d *duty) do(ctx context.Context, work func(context.Context)) error {
	var seen uint64 // revision that was seen last, and since when
	since := time.Now()
	for {
		revision, err := d.take(ctx, &seen, &since)
		switch {
		case err == nil && revision > 0:
			d.log.Info("this process does the chores of all: sweeps, messages to others, watching for silence")
			d.hold(ctx, revision, work)
		case err != nil && ctx.Err() == nil:
			d.log.Warn("the note of duties cannot be read", "err", err)
		}
		if !pause(ctx, dutyBeat) {
			return nil
		}
	}
}

// take takes the duty where nobody has it, or who had it is gone; revision 0 when somebody has.
func (d *duty) take(ctx context.Context, seen *uint64, since *time.Time) (revision uint64, err error) {
	value, revision, err := d.notes.Note(ctx, dutyNote)
	if err != nil {
		return 0, err
	}
	var h holding
	if value != nil {
		if err := json.Unmarshal(value, &h); err != nil {
			return 0, err
		}
	}
	if revision != *seen {
		*seen, *since = revision, time.Now()
	}
	if h.Process != "" && time.Since(*since) < dutyLife {
		return 0, nil
	}
	revision, err = d.renew(ctx, h.Beat+1, d.process, revision)
	if errors.Is(err, queue.ErrConflict) {
		return 0, nil
	}
	return revision, err
}

func (d *duty) renew(ctx context.Context, beat int, process string, revision uint64) (uint64, error) {
	body, err := json.Marshal(holding{process, beat})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, dutyAsk) // a slow answer must not outlast the duty
	defer cancel()
	return d.notes.SaveNote(ctx, dutyNote, body, revision)
}

// hold works until ctx ends or the duty is lost, and then gives it back.
func (d *duty) hold(ctx context.Context, revision uint64, work func(context.Context)) {
	working, stop := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { work(working) })
	last := time.Now()
	lost := false
	for beat := 1; !lost && pause(ctx, dutyBeat); beat++ {
		next, err := d.renew(ctx, beat, d.process, revision)
		switch {
		case err == nil:
			revision, last = next, time.Now()
		case errors.Is(err, queue.ErrConflict), time.Since(last) > dutyStop:
			d.log.Warn("another process may do the chores now", "err", err)
			lost = true
		}
	}
	stop()
	done.Wait()
	if lost {
		return
	}
	if _, err := d.renew(context.WithoutCancel(ctx), 0, "", revision); err != nil {
		d.log.Debug("the duty could not be given back; it ends by itself", "err", err)
	}
}

// pause is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
