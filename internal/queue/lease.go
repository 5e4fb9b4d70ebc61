package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// frontUnit is the ownership of routing: one process routes, so that one contact's events keep their order and
// resends are recognised in one place. The other units are "group.<quota group>".
const frontUnit = "front"

func groupUnit(group string) string { return "group." + group }

func groupOf(unit string) string { return strings.TrimPrefix(unit, groupUnit("")) }

// ownership is what the ledger bucket holds of a unit. Every change is a compare-and-set on the value before it,
// so a former owner that wakes up cannot change anything.
type ownership struct {
	Owner string `json:"owner"` // process; "" when it was given back
	Epoch uint64 `json:"epoch"`
	Since uint64 `json:"since,omitempty"` // newest message of WORK when it was given back: nobody can have begun what came later
	State []byte `json:"state,omitempty"` // quota ledger
}

// lease is this process's ownership of a unit; it implements Lease.
type lease struct {
	q       *Queue
	members membership
	unit    string
	since   uint64    // nobody can have begun what came to WORK later
	quiet   time.Time // the former owner cannot have acted later

	writes sync.Mutex // held over a write, so that no other comes between

	mu   sync.Mutex // guards all below; what it guards changes under writes only
	held ownership
	seq  uint64 // of the stored value, as far as is known
	lost bool   // another process has it
	over bool   // it is being given back
}

// errOwned says that a living process owns the unit.
var errOwned = errors.New("another process owns the unit")

// acquire takes a unit that nobody owns, or whose owner is gone.
func (q *Queue) acquire(ctx context.Context, m membership, unit string) (*lease, error) {
	l, next, err := q.claim(ctx, m, unit)
	if err == nil {
		err = l.store(ctx, next)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// claim prepares what makes a unit ours, if it is to be had. Nothing is taken until it is stored.
func (q *Queue) claim(ctx context.Context, m membership, unit string) (l *lease, next ownership, err error) {
	self := m.self()
	if self == "" || !m.valid() {
		return nil, next, errOwned
	}
	l = &lease{q: q, members: m, unit: unit, quiet: time.Now()}
	if l.held, l.seq, err = q.ownership(ctx, unit); err != nil {
		return nil, next, err
	}
	if owner := l.held.Owner; owner != "" && owner != self {
		if l.quiet, err = m.gone(ctx, owner); err != nil {
			return nil, next, err
		}
		if l.quiet.IsZero() {
			return nil, next, errOwned
		}
	}
	next = l.held
	if l.since = next.Since; next.Owner != "" && unit != frontUnit { // not given back: its owner crashed, and may have begun anything
		if l.since, err = q.lastSeq(ctx, workStream(groupOf(unit))); err != nil {
			return nil, next, err
		}
	}
	next.Owner, next.Epoch = self, next.Epoch+1
	return l, next, nil
}

// ownership reads what the ledger says of a unit, and where; nothing at 0.
func (q *Queue) ownership(ctx context.Context, unit string) (held ownership, seq uint64, err error) {
	msg, err := q.newest(ctx, streamLedger, subjectLedger+unit)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return held, 0, nil
	}
	if err == nil {
		seq, err = msg.Sequence, json.Unmarshal(msg.Data, &held)
	}
	if err != nil {
		return held, 0, fmt.Errorf("read the owner of %s: %w", unit, err)
	}
	return held, seq, nil
}

// storeTries is how often a write is tried against earlier ones of our own that arrive late.
const storeTries = 5

// store writes what the ownership is to be; l.writes must be held or l not shared yet. It may fail without it being known
// whether the write arrived. Such a write is no reason to lose the unit: what stands under our name and epoch only we
// can have written.
func (l *lease) store(ctx context.Context, next ownership) error {
	body, err := json.Marshal(next)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		ack, err := l.q.put(ctx, &nats.Msg{Subject: subjectLedger + l.unit, Data: body}, jetstream.WithExpectLastSequencePerSubject(l.seq))
		if err == nil {
			l.mu.Lock()
			l.held, l.seq = next, ack.Sequence
			l.mu.Unlock()
			return nil
		}
		if !lostRace(err) || try == storeTries {
			return fmt.Errorf("write the owner of %s: %w", l.unit, err)
		}
		stands, seq, err := l.q.ownership(ctx, l.unit)
		if err != nil {
			return err
		}
		if stands.Owner != l.held.Owner || stands.Epoch != l.held.Epoch {
			l.mu.Lock()
			l.lost = true
			l.mu.Unlock()
			return fmt.Errorf("%w: %s", ErrLostOwnership, l.unit)
		}
		l.mu.Lock()
		l.seq = seq
		l.mu.Unlock()
	}
}

// Valid tells whether no other process can own the unit now. It waits for no write.
func (l *lease) Valid() bool {
	l.mu.Lock()
	ours, owner := !l.lost && !l.over, l.held.Owner
	l.mu.Unlock()
	return ours && l.members.valid() && l.members.self() == owner
}

// Epoch grows with each change of owner.
func (l *lease) Epoch() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held.Epoch
}

// Quiet is since when no other process can have acted for the unit.
func (l *lease) Quiet() time.Time { return l.quiet }

// Ledger is the state that was stored last.
func (l *lease) Ledger(context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held.State, nil
}

// SaveLedger stores the state; ErrLostOwnership when another process has the unit.
func (l *lease) SaveLedger(ctx context.Context, state []byte) error {
	if !l.Valid() {
		return fmt.Errorf("%w: %s", ErrLostOwnership, l.unit)
	}
	l.writes.Lock()
	defer l.writes.Unlock()
	next := l.held
	next.State = state
	return l.store(ctx, next)
}

// release gives the unit back, so that another process need not wait for this one to be gone. After an error it may be
// ours still, although nobody here may use it any more: release it again.
func (l *lease) release(ctx context.Context) (err error) {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.writes.Lock()
	defer l.writes.Unlock()
	if l.lost || l.held.Owner == "" {
		return nil
	}
	next := l.held
	next.Owner = ""
	if l.unit != frontUnit {
		next.Since, err = l.q.lastSeq(ctx, workStream(groupOf(l.unit)))
	}
	if err == nil {
		err = l.store(ctx, next)
	}
	if errors.Is(err, ErrLostOwnership) {
		return nil
	}
	return err
}
