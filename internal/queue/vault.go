package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrConflict says that somebody else changed a note since it was read.
var ErrConflict = errors.New("it was changed by somebody else")

// Notes are small things that every process of an installation shares and changes by compare-and-set: an account that
// an operator paused, the tokens of a login. A name may be any text; it never stands in a subject.

func noteSubject(name string) string { return subjectLedger + "note." + hashToken(name) }
func lockSubject(name string) string { return subjectLedger + "lock." + hashToken(name) }

// Note reads a note and its revision: nil and 0 when there is none.
func (q *Queue) Note(ctx context.Context, name string) (value []byte, revision uint64, err error) {
	msg, err := q.streams[streamLedger].GetLastMsgForSubject(ctx, noteSubject(name))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("read a note: %w", err)
	}
	return msg.Data, msg.Sequence, nil
}

// SaveNote replaces the revision that was read (0: there must be none) and returns the new one, or ErrConflict.
func (q *Queue) SaveNote(ctx context.Context, name string, value []byte, revision uint64) (uint64, error) {
	return q.saveNote(ctx, name, value, jetstream.WithExpectLastSequencePerSubject(revision))
}

// SaveNoteFor is SaveNote for a note that nobody needs any more after life, which is counted in whole seconds.
func (q *Queue) SaveNoteFor(ctx context.Context, name string, value []byte, revision uint64, life time.Duration) (uint64, error) {
	return q.saveNote(ctx, name, value, jetstream.WithExpectLastSequencePerSubject(revision), jetstream.WithMsgTTL(max(life, time.Second).Truncate(time.Second)))
}

func (q *Queue) saveNote(ctx context.Context, name string, value []byte, opts ...jetstream.PublishOpt) (uint64, error) {
	ack, err := q.js.Publish(ctx, noteSubject(name), value, opts...)
	switch {
	case lostRace(err):
		return 0, ErrConflict
	case err != nil:
		return 0, fmt.Errorf("write a note: %w", err)
	}
	return ack.Sequence, nil
}

// How long a lock outlives a holder that crashed, and how often a waiting process looks.
const (
	lockLife = 45 * time.Second
	lockLook = 100 * time.Millisecond
)

// LockNote keeps every other process from holding the same lock until unlock, or until lockLife has passed since its
// holder crashed. It waits until ctx ends.
func (q *Queue) LockNote(ctx context.Context, name string) (unlock func(), err error) {
	return q.lock(ctx, name, lockLife)
}

func (q *Queue) lock(ctx context.Context, name string, life time.Duration) (unlock func(), err error) {
	subject := lockSubject(name)
	look := time.NewTicker(lockLook)
	defer look.Stop()
	for {
		seq, err := q.free(ctx, subject)
		if err != nil {
			return nil, err
		}
		ack, err := q.js.Publish(ctx, subject, []byte(q.process), jetstream.WithExpectLastSequencePerSubject(seq), jetstream.WithMsgTTL(life))
		if err == nil {
			return q.unlocker(ack.Sequence), nil
		}
		if !lostRace(err) {
			return nil, fmt.Errorf("take a lock: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
	}
}

// free is what a lock's subject holds while nobody has it, as a write is to expect it: nothing, or the marker that the server leaves for
// a minute where a lock ran out. While somebody has it, it is nothing too, and the write is refused.
func (q *Queue) free(ctx context.Context, subject string) (seq uint64, err error) {
	msg, err := q.newest(ctx, streamLedger, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look at a lock: %w", err)
	case isMarker(msg.Header):
		return msg.Sequence, nil
	}
	return 0, nil
}

// unlocker deletes the lock's message, and only that: a lock that ran out may have a new holder.
func (q *Queue) unlocker(seq uint64) func() {
	var once sync.Once
	return func() {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
			defer cancel()
			if err := q.streams[streamLedger].DeleteMsg(ctx, seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				q.log.Warn("a lock could not be given back; it ends by itself", "err", err)
			}
		})
	}
}
