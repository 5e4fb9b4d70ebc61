package app

import (
	"context"
	"errors"
	"time"

	"bridge/internal/calls"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/internal/queue"
	"bridge/internal/quota"
)

// permits gives permits of one quota group to calls that people ask for. Whoever owns the group counts them: this
// process, another one, or, where nobody works, this process for as long as it takes.
type permits interface {
	// permit waits for one. done says that the call has ended.
	permit(ctx context.Context) (done func(), err error)
	// observe takes what an answer said about the quota.
	observe(quota.Observation)
	// end gives back what was taken to give permits.
	end(ctx context.Context) error
}

// errMoved says that the group has another owner by now: ask again.
var errMoved = errors.New("the quota group has another owner")

const (
	// ownerWait is how long this process may take to take a group up; guestWait is how long another one may. Who borrows
	// too early loses nothing: the group goes to its owner in the middle.
	ownerWait = 5 * time.Second
	guestWait = time.Second
	ownerLook = 50 * time.Millisecond
	// permitWait is how long a person waits for a permit.
	permitWait = 2 * time.Minute
)

// permitsOf finds who counts the calls of a quota group now.
func (a *App) permitsOf(ctx context.Context, group config.Group) (permits, error) {
	wait := ownerWait
	if !a.set.has(RoleWork) {
		wait = guestWait
	}
	waited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	look := time.NewTicker(ownerLook)
	defer look.Stop()
	for a.queue.Wake(group.Name) {
		if g := a.groups.find(group.Name); g != nil {
			return ownPermits{g}, nil
		}
		r := &remotePermits{queue: a.queue, name: permitsName(group.Name)}
		if err := r.ping(waited); err == nil {
			return r, nil
		}
		select {
		case <-look.C:
			continue
		case <-waited.Done():
		}
		if !a.set.has(RoleWork) {
			break // nobody works: this process may borrow the group
		}
		return nil, &ops.Error{Kind: ops.Conflict, Message: "nobody takes up the quota group " + group.Name + ", so no call can be counted",
			Hint: "look at the log of bridge serve, then ask again"}
	}
	return a.borrow(ctx, group)
}

// find returns a group in work here, nil when it is not.
func (gs *groups) find(name string) *group {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.open[name]
}

// ownPermits are those of a group that this process works.
type ownPermits struct{ *group }

func (p ownPermits) permit(ctx context.Context) (func(), error) {
	done, err := p.planner.Permit(ctx, events.Urgent)
	if errors.Is(err, context.Canceled) && ctx.Err() == nil {
		return nil, errMoved // it is closing
	}
	return done, err
}

func (p ownPermits) observe(o quota.Observation) { p.ledger.Observe(o) }

func (ownPermits) end(context.Context) error { return nil }

// borrow takes a group that nobody works. Borrowers come one after another.
func (a *App) borrow(ctx context.Context, group config.Group) (_ permits, err error) {
	waited, cancel := context.WithTimeout(ctx, permitWait)
	defer cancel()
	unlock, err := a.queue.LockNote(waited, "borrow/"+group.Name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unlock()
		}
	}()
	lease, err := a.queue.Borrow(ctx, group.Name)
	if errors.Is(err, queue.ErrOwned) {
		return nil, &ops.Error{Kind: ops.Conflict, Cause: err, Message: "the process that works quota group " + group.Name + " does not answer",
			Hint: "look at its log, or stop it and ask again"}
	}
	if err != nil {
		return nil, err
	}
	p := &borrowedPermits{lease: lease, unlock: unlock, ledger: quota.New(quota.Config{Limits: group.Limits, Reserve: group.Reserve})}
	stored, err := lease.Ledger(ctx)
	if err == nil {
		err = p.ledger.Restore(time.Now(), stored)
	}
	if err != nil {
		return nil, errors.Join(err, lease.Return(ctx))
	}
	return p, nil
}

// borrowedPermits are written ahead one call at a time, so that a bridge which starts meanwhile counts all of them.
type borrowedPermits struct {
	lease  queue.Borrowed
	unlock func()
	ledger *quota.Ledger
}

func (p *borrowedPermits) permit(ctx context.Context) (func(), error) {
	for {
		if err := p.ledger.Reserve(ctx, time.Now(), p.lease.SaveLedger); errors.Is(err, queue.ErrLostOwnership) {
			return nil, errMoved
		} else if err != nil {
			return nil, err
		}
		now := time.Now()
		answer := p.ledger.Take(now, quota.Urgent)
		if answer.OK {
			return func() { p.ledger.Finished(time.Now()) }, nil
		}
		if answer.At.Sub(now) > permitWait {
			return nil, &calls.Closed{Until: answer.At, Reason: closedReason(answer.Window)}
		}
		if err := sleepUntil(ctx, answer.At); err != nil {
			return nil, err
		}
	}
}

func (p *borrowedPermits) observe(o quota.Observation) { p.ledger.Observe(o) }

func (p *borrowedPermits) end(ctx context.Context) error {
	defer p.unlock()
	err := p.ledger.Leave(ctx, time.Now(), p.lease.SaveLedger)
	if errors.Is(err, queue.ErrLostOwnership) {
		return nil // the new owner counts what was written ahead
	}
	return errors.Join(err, p.lease.Return(ctx))
}

func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// permitsName is what the owner of a group answers to.
func permitsName(group string) string { return "permits/" + group }

// Questions to the owner of a group.
const (
	askThere  = "there?" // answers at once
	askPermit = "permit" // answers when there is one
)

// answerPermits lets other processes have permits of a group in work.
func (g *group) answerPermits(ctx context.Context, question []byte) ([]byte, error) {
	if string(question) != askPermit {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, permitWait)
	defer cancel()
	done, err := g.planner.Permit(ctx, events.Urgent)
	if err != nil {
		return nil, err
	}
	// The call is made elsewhere; what matters here is that it was counted.
	done()
	return nil, nil
}

// remotePermits are those of a group that another process works.
type remotePermits struct {
	queue *queue.Queue
	name  string
}

func (p *remotePermits) ping(ctx context.Context) error {
	_, err := p.queue.Ask(ctx, p.name, []byte(askThere))
	return err
}

func (p *remotePermits) permit(ctx context.Context) (func(), error) {
	_, err := p.queue.Ask(ctx, p.name, []byte(askPermit))
	if errors.Is(err, queue.ErrNobody) {
		return nil, errMoved
	}
	return func() {}, err
}

// observe does nothing: the owner sees the same counts in its own next answer, by its own clock.
func (*remotePermits) observe(quota.Observation) {}

func (*remotePermits) end(context.Context) error { return nil }
