package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// ErrOwned says that a living process owns the quota group; its permits are to be had from there.
var ErrOwned = errOwned

// Borrowed is the ownership of a quota group for a short while, by a process that does not work it: a command that
// makes a few calls while no bridge runs. A bridge that starts meanwhile takes the group over at once; then SaveLedger
// fails with ErrLostOwnership.
type Borrowed struct{ *lease }

// Borrow takes a quota group that no living process owns, or fails with ErrOwned. Give it back with Return.
func (q *Queue) Borrow(ctx context.Context, group string) (Borrowed, error) {
	l, err := q.acquire(ctx, guest{q}, groupUnit(group))
	if err != nil {
		return Borrowed{}, err
	}
	return Borrowed{l}, nil
}

// Return gives the group back.
func (b Borrowed) Return(ctx context.Context) error { return b.release(ctx) }

// Wake asks whoever is to own a quota group to take it up now, work or not. It is false when nobody can: this
// process has the store to itself and does not work.
func (q *Queue) Wake(group string) bool {
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	if w != nil && w.wake(group, events.Urgent) {
		return true
	}
	if q.server != nil {
		return false
	}
	q.tell(group + "." + events.Urgent.String())
	return true
}

// guest is the membership of a process that is no member: the others do not wait for it, and it takes only what
// nobody has.
type guest struct{ q *Queue }

func (g guest) self() string                { return g.q.process }
func (g guest) owner(string) string         { return g.q.process }
func (g guest) valid() bool                 { return true }
func (g guest) changed() <-chan struct{}    { return nil }
func (g guest) leave(context.Context) error { return nil }

// gone looks for the key of a member. Over an embedded server nobody else can be there: its store is locked.
func (g guest) gone(ctx context.Context, process string) (time.Time, error) {
	if g.q.server != nil {
		return alone(g.q.process).gone(ctx, process)
	}
	msg, err := g.q.streams[streamLedger].GetLastMsgForSubject(ctx, subjectMember+process)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, fmt.Errorf("look for a process: %w", err)
	}
	if err == nil && !isMarker(msg.Header) {
		return time.Time{}, nil
	}
	return time.Now(), nil
}
