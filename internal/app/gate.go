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

// gate holds the accounts that an operator paused. Their events are parked, so that they hold up nobody else of their
// quota group: nothing is called, nothing expires, no attempt is burnt. The list is a note of the queue, so that it
// outlives restarts and every process has it.
type gate struct {
	queue   *queue.Queue
	log     *slog.Logger
	resumed func(account string) // told of every account that is resumed, at once and at the next look

	mu       sync.Mutex
	paused   map[string]time.Time // since
	revision uint64               // of the note that paused is from
	late     []string             // resumed since the last look: what was on its way to be parked then is parked by now
}

// pausedNote names the note; gateLook is how often a process looks for what others changed; pausedFor is how long an event of a
// paused account is parked at a time.
const (
	pausedNote = "paused accounts"
	gateLook   = 2 * time.Second
	pausedFor  = time.Hour
)

func newGate(q *queue.Queue, log *slog.Logger, resumed func(account string)) *gate {
	return &gate{queue: q, log: log, resumed: resumed, paused: map[string]time.Time{}}
}

// follow reads the list now and then until ctx ends.
func (g *gate) follow(ctx context.Context) error {
	tick := time.NewTicker(gateLook)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		g.mu.Lock()
		late := g.late
		g.late = nil
		g.mu.Unlock()
		for _, account := range late {
			g.resumed(account)
		}
		_, _, err := g.load(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			g.log.Warn("which accounts are paused cannot be read; what was known last counts", "err", err)
		}
		failing = err != nil
	}
}

// load reads the list.
func (g *gate) load(ctx context.Context) (paused map[string]time.Time, revision uint64, err error) {
	value, revision, err := g.queue.Note(ctx, pausedNote)
	if err != nil {
		return nil, 0, err
	}
	paused = map[string]time.Time{}
	if value != nil {
		if err := json.Unmarshal(value, &paused); err != nil {
			return nil, 0, err
		}
	}
	g.use(paused, revision)
	return paused, revision, nil
}

// use puts a list in force, unless a newer one is.
func (g *gate) use(paused map[string]time.Time, revision uint64) {
	g.mu.Lock()
	if revision < g.revision {
		g.mu.Unlock()
		return
	}
	var resumed []string
	for account := range g.paused {
		if _, still := paused[account]; !still {
			resumed = append(resumed, account)
		}
	}
	g.paused, g.revision = make(map[string]time.Time, len(paused)), revision
	for account, since := range paused {
		g.paused[account] = since
	}
	g.late = append(g.late, resumed...)
	g.mu.Unlock()
	for _, account := range resumed {
		g.resumed(account)
	}
}

// set pauses or resumes an account, in every process.
func (g *gate) set(ctx context.Context, account string, pause bool) error {
	for {
		paused, revision, err := g.load(ctx)
		if err != nil {
			return err
		}
		if _, already := paused[account]; already == pause {
			return nil
		}
		if pause {
			paused[account] = time.Now().UTC()
		} else {
			delete(paused, account)
		}
		value, err := json.Marshal(paused)
		if err != nil {
			return err
		}
		revision, err = g.queue.SaveNote(ctx, pausedNote, value, revision)
		if err == nil {
			g.use(paused, revision)
			return nil
		}
		if !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
}

// shut tells whether an account is paused.
func (g *gate) shut(account string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, paused := g.paused[account]
	return paused
}
