package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/queue"
	"bridge/internal/sources"
)

// sweeps asks senders for what never arrived, each source at its own pace, until ctx ends. What is found goes through
// the same line as everything else, where it is recognised if it did arrive.
func (a *App) sweeps(ctx context.Context) {
	next := map[[2]string]time.Time{} // by account and source
	var running sync.WaitGroup
	defer running.Wait()
	room := make(chan struct{}, mostSweeps)
	busy := newBusy()
	for {
		for key, s := range a.sweepers() {
			if time.Now().Before(next[key]) || !busy.begin(key) {
				continue
			}
			next[key] = time.Now().Add(s.Every())
			running.Go(func() {
				defer busy.end(key)
				select {
				case room <- struct{}{}:
				case <-ctx.Done():
					return
				}
				defer func() { <-room }()
				a.sweep(ctx, key[0], key[1], s)
			})
		}
		if !pause(ctx, worldLook) {
			return
		}
	}
}

const (
	mostSweeps = 4
	// sweepOverlap is how far a sweep reaches back before the one before it began: senders list changes late.
	sweepOverlap = 2 * time.Minute
	// sweepWithin bounds one sweep. What is left over, the next one finds.
	sweepWithin = 30 * time.Minute
)

// sweepers are the sources that can be swept, as they are configured now.
func (a *App) sweepers() map[[2]string]sources.Sweeper {
	found := map[[2]string]sources.Sweeper{}
	for name, acc := range a.worlds.now.Load().accounts {
		for sn, s := range acc.sources {
			if s.cfg.Sweep == nil {
				continue
			}
			made, err := a.worlds.source(name, sn)
			if err != nil {
				continue // it is in the log already
			}
			if sw, ok := made.made.(sources.Sweeper); ok {
				found[[2]string{name, sn}] = sw
			}
		}
	}
	return found
}

// sweep asks one source once, and remembers from where the next sweep has to ask.
func (a *App) sweep(ctx context.Context, account, source string, s sources.Sweeper) {
	ctx, cancel := context.WithTimeout(ctx, sweepWithin)
	defer cancel()
	fresh, err := a.sweepSince(ctx, account, source, s)
	if ctx.Err() != nil {
		return
	}
	if a.metrics.swept(a.worlds.kind(account, source), fresh, err); err != nil {
		a.set.Log.Warn("a sweep failed; the next one asks for the same time again", "account", account, "source", source, "err", err)
		return
	}
	a.set.Log.Debug("swept", "account", account, "source", source, "new", fresh)
}

func (a *App) sweepSince(ctx context.Context, account, source string, s sources.Sweeper) (fresh int, err error) {
	note := "sweep/" + account + "/" + source
	value, revision, err := a.queue.Note(ctx, note)
	if err != nil {
		return 0, err
	}
	begun := time.Now().UTC()
	since := begun.Add(-s.Every())
	if value != nil {
		if err := since.UnmarshalText(value); err != nil {
			return 0, fmt.Errorf("read when the last sweep was: %w", err)
		}
	}
	err = s.Sweep(ctx, since, func(ctx context.Context, page []events.Event) error {
		n, err := a.acceptFound(ctx, account, source, page)
		fresh += n
		return err
	})
	if err != nil {
		return fresh, err
	}
	if value, err = begun.Add(-sweepOverlap).MarshalText(); err != nil {
		return fresh, err
	}
	_, err = a.queue.SaveNote(ctx, note, value, revision)
	return fresh, err
}

// acceptFound accepts what a sweep found, and tells how much of it was new. What can never be accepted is told of and passed
// over: else it would fail every later sweep of the same time, and nothing behind it would ever be found.
func (a *App) acceptFound(ctx context.Context, account, source string, page []events.Event) (fresh int, err error) {
	duplicate, err := a.queue.Accept(ctx, page)
	for _, d := range duplicate {
		if !d {
			fresh++
		}
	}
	if err == nil || errors.Is(err, queue.ErrUnavailable) {
		return fresh, err
	}
	if len(page) == 1 {
		a.set.Log.Error("what a sweep found can never be accepted; passed over", "account", account, "source", source, "event", page[0].ID, "err", err)
		return 0, nil
	}
	for i := range page { // one alone refuses the whole page
		n, err := a.acceptFound(ctx, account, source, page[i:i+1])
		if fresh += n; err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// busy keeps a source from being swept twice at a time.
type busy struct {
	mu  sync.Mutex
	now map[[2]string]bool
}

func newBusy() *busy { return &busy{now: map[[2]string]bool{}} }

func (b *busy) begin(key [2]string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now[key] {
		return false
	}
	b.now[key] = true
	return true
}

func (b *busy) end(key [2]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.now, key)
}
