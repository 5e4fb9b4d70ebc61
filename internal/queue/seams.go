package queue

import (
	"context"
	"time"

	"bridge/internal/events"
)

// Hands works on the deliveries of one quota group; dispatch.Lane is one. The queue takes no more than Room
// says and never waits for a verdict: Take keeps the delivery in line behind earlier ones of its contact.
type Hands interface {
	// Room tells how many more deliveries and bytes may be taken now.
	Room() (deliveries, bytes int)
	// Freed delivers whenever Room may have grown.
	Freed() <-chan struct{}
	// Take hands a delivery over without blocking. settle is called for every verdict: once with a settling one
	// (Done, Bury, Doubt), before it any number of times with a parking one (Snooze, Retry), after which the
	// Hands keep the delivery and try it again when it is due. A settle that fails leaves the delivery to
	// the next owner: the Hands drop it, and all of its contact that they have or are given until Close.
	Take(d events.Delivery, settle Settle)
	// Close stops taking and working: what is in the middle of a call ends it until ctx is done, the rest is dropped
	// without a verdict and stays in the queue.
	Close(ctx context.Context) error
}

// Settle records a verdict and acts on it. It is an alias so that packages that must not import queue can name its type.
type Settle = func(ctx context.Context, v events.Verdict) error

// Lease is the ownership of a quota group, while it lasts.
type Lease interface {
	Valid() bool   // false as soon as another process may own the group
	Epoch() uint64 // grows with each change of owner
	// Quiet is since when no other process can have acted for the group: the former owner's time was over by then.
	Quiet() time.Time
	// Ledger is the state of the quota ledger that the last owner stored, nil at first.
	Ledger(ctx context.Context) ([]byte, error)
	// SaveLedger stores it before it is relied on; it fails when the group has another owner.
	SaveLedger(ctx context.Context, state []byte) error
}

// Backlog is what a Lease also is that the queue gives to Groups: it knows how much work waits behind the hands.
type Backlog interface {
	// Behind is how many deliveries of each priority the group had waiting when it last took one. It is cheap.
	Behind() [len(events.Priorities)]int
}

// Groups opens the working side of a quota group when this process becomes its owner.
type Groups interface {
	Open(ctx context.Context, group string, lease Lease) (Hands, error)
}

// Front decides about an event behind the durable line, before it is written to the log.
type Front interface {
	// Enrich asks the sender for what Event.Enrich says is missing. A *Later error parks the event.
	Enrich(ctx context.Context, e *events.Event) error
	// Route names the quota group and the highest priority among the matching rules. ok is false when the account is not configured.
	Route(e *events.Event) (group string, p events.Priority, ok bool)
}

// IDs is an index of the log of events by Event.Key; history.Index is one.
type IDs interface {
	// Position is how far the index has read.
	Position(ctx context.Context) (events.Position, error)
	// Lookup returns the position in EVENTS of each known key.
	Lookup(ctx context.Context, keys []string) (map[string]uint64, error)
}

// Hurrier is what Hands may be besides: Hurry makes a parked delivery due now, because something about it was changed
// from outside (it was discarded, for example).
type Hurrier interface {
	Hurry(seq uint64)
}
