package app

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"bridge/internal/queue"
)

// gate holds the accounts that an operator paused. Their events stay where they are: nothing is called, nothing
// expires, no attempt is burnt. The list is a note of the queue, so that it outlives restarts and every process has it.
type gate struct {
	queue *queue.Queue

	mu     sync.Mutex
	paused map[string]time.Time // since
	opened chan struct{}        // closed and renewed when an account is resumed
}

// pausedNote names the note; gateLook is how often a process looks for what others changed.
const (
	pausedNote = "paused accounts"
	gateLook   = 2 * time.Second
)

func newGate(q *queue.Queue) *gate {
	return &gate{queue: q, paused: map[string]time.Time{}, opened: make(chan struct{})}
}

// follow reads the list now and then until ctx ends.
func (g *gate) follow(ctx context.Context) error {
	tick := time.NewTicker(gateLook)
	defer tick.Stop()
	for {
		if _, _, err := g.load(ctx); err != nil && ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

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
	g.use(paused)
	return paused, revision, nil
}

func (g *gate) use(paused map[string]time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for account := range g.paused {
		if _, still := paused[account]; !still {
			close(g.opened)
			g.opened = make(chan struct{})
			break
		}
	}
	g.paused = make(map[string]time.Time, len(paused))
	for a, since := range paused {
		g.paused[a] = since
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
		if _, err = g.queue.SaveNote(ctx, pausedNote, value, revision); err == nil {
			g.use(paused)
			return nil
		}
		if !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
}

// state tells whether an account is paused, and gives a channel that is closed when one is resumed.
func (g *gate) state(account string) (paused bool, opened <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, paused = g.paused[account]
	return paused, g.opened
}

// wait returns when the account is not paused, or with ctx's error.
func (g *gate) wait(ctx context.Context, account string) error {
	for {
		paused, opened := g.state(account)
		if !paused {
			return nil
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
