package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"bridge/internal/events"
)

// Receiver is somebody who is told. Send is one try; it must end with ctx.
type Receiver interface {
	Name() string
	Wants(typ string) bool
	Send(ctx context.Context, m Message) error
}

// Log is the two logs as one; queue.Queue has it.
type Log interface {
	Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error
	End(ctx context.Context) (events.Position, error)
}

// Notes keep a receiver's position; queue.Queue has them.
type Notes interface {
	Note(ctx context.Context, name string) (value []byte, revision uint64, err error)
	SaveNote(ctx context.Context, name string, value []byte, revision uint64) (uint64, error)
}

// Times of delivery. A message is tried until patience has passed since what it tells of, and once at least.
const (
	patience   = 24 * time.Hour
	firstRetry = 2 * time.Second
	lastRetry  = 10 * time.Minute
	saveEvery  = 10 * time.Second // where nothing was told
	saveWithin = 2 * time.Second
	readAgain  = 5 * time.Second // after the log could not be read
)

// Follower tells one receiver. Run it in one process at a time.
type Follower struct {
	Receiver Receiver
	Log      Log
	Notes    Notes
	// Row finds what the index knows of an event by its key; nil or false: the message names it by key.
	Row func(ctx context.Context, account, key string) (events.Row, bool)
	// Observe is called for every message that was told or given up; nil: nobody counts.
	Observe func(typ string, told bool)
	Logger  *slog.Logger

	at       events.Position
	revision uint64
	saved    time.Time
}

// Run reads on from the last position, at first from the end of the logs, until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.Logger.Warn("telling others was interrupted", "receiver", f.Receiver.Name(), "err", err)
		if !sleep(ctx, readAgain) {
			return nil
		}
	}
}

func (f *Follower) note() string { return "notify/" + f.Receiver.Name() }

func (f *Follower) follow(ctx context.Context) error {
	value, revision, err := f.Notes.Note(ctx, f.note())
	if err != nil {
		return err
	}
	f.revision, f.saved = revision, time.Time{}
	if value == nil {
		if err := f.restart(ctx); err != nil {
			return err
		}
	} else if err := json.Unmarshal(value, &f.at); err != nil {
		return fmt.Errorf("read the position: %w", err)
	}
	err = f.Log.Tail(ctx, f.at, func(records []events.LogRecord) error { return f.take(ctx, records) })
	if errors.Is(err, events.ErrAhead) { // the store is an older one, from a backup
		return errors.Join(err, f.restart(ctx))
	}
	return err
}

// restart goes on at the end of the logs.
func (f *Follower) restart(ctx context.Context) (err error) {
	if f.at, err = f.Log.End(ctx); err != nil {
		return err
	}
	return f.save(ctx)
}

// take tells what is wanted of a batch, and notes that it is done with it.
func (f *Follower) take(ctx context.Context, records []events.LogRecord) error {
	messages := slices.DeleteFunc(Messages(records), func(m Message) bool { return !f.Receiver.Wants(m.Type) })
	for _, m := range messages {
		f.name(ctx, &m)
		if err := f.tell(ctx, m); err != nil {
			return err
		}
	}
	f.at = records[len(records)-1].Position
	if len(messages) == 0 && time.Since(f.saved) < saveEvery {
		return nil
	}
	return f.save(ctx)
}

// name puts the ids of events in the place of their keys.
func (f *Follower) name(ctx context.Context, m *Message) {
	t, ok := m.Data.(*Trouble)
	if !ok || f.Row == nil {
		return
	}
	for i := range t.Events {
		n := &t.Events[i]
		if row, ok := f.Row(ctx, t.Account, n.key); ok {
			n.ID, n.Source, n.Type = row.ID, row.Source, row.Type
		}
	}
}

// tell tries until it is told, ctx ends (an error: it will be told again), or nobody wants to wait any longer.
func (f *Follower) tell(ctx context.Context, m Message) error {
	wait := backoff.NewExponentialBackOff(backoff.WithInitialInterval(firstRetry), backoff.WithMaxInterval(lastRetry), backoff.WithMaxElapsedTime(0))
	for try := 1; ; try++ {
		err := f.Receiver.Send(ctx, m)
		if err == nil {
			f.observe(m.Type, true)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		log := f.Logger.With("receiver", f.Receiver.Name(), "type", m.Type, "message", m.ID, "try", try, "err", err)
		if time.Since(m.Time) > patience {
			log.Error("a message is given up: its receiver did not take it for a day")
			f.observe(m.Type, false)
			return nil
		}
		next := wait.NextBackOff()
		var refused *Refused
		if errors.As(err, &refused) && refused.After > next {
			next = min(refused.After, lastRetry)
		}
		log.Warn("a message was not taken", "again in", next.Round(time.Second))
		if !sleep(ctx, next) {
			return ctx.Err()
		}
	}
}

func (f *Follower) observe(typ string, told bool) {
	if f.Observe != nil {
		f.Observe(typ, told)
	}
}

func (f *Follower) save(ctx context.Context) error {
	value, err := json.Marshal(f.at)
	if err != nil {
		return err
	}
	// What was told is told: also when ctx ended just now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveWithin)
	defer cancel()
	if f.revision, err = f.Notes.SaveNote(ctx, f.note(), value, f.revision); err != nil {
		return fmt.Errorf("note the position: %w", err)
	}
	f.saved = time.Now()
	return nil
}

// sleep is false when ctx ended first.
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
