package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// among is the membership of a process among others that live.
type among string

func (a among) self() string        { return string(a) }
func (a among) owner(string) string { return string(a) }

func (a among) gone(context.Context, string) (since time.Time, err error) { return since, nil }

func (a among) valid() bool                 { return true }
func (a among) changed() <-chan struct{}    { return nil }
func (a among) leave(context.Context) error { return nil }

// unheard is a lease as its owner knows it whose last write arrived, but not the answer to it.
func unheard(t *testing.T, l *lease) *lease {
	t.Helper()
	before := &lease{q: l.q, members: l.members, unit: l.unit, since: l.since, held: l.held, seq: l.seq}
	if err := l.SaveLedger(t.Context(), []byte("unheard")); err != nil {
		t.Fatal(err)
	}
	return before
}

// TestLostAnswersLoseNoUnit: a write to the ledger that arrived without its answer is the owner's own: it goes on, and
// gives the unit back when it leaves.
func TestLostAnswersLoseNoUnit(t *testing.T) {
	q := openQueue(t, testOptions(t))
	ctx := t.Context()
	for _, unit := range []string{groupUnit("g"), frontUnit} {
		l, err := q.acquire(ctx, among("a"), unit)
		if err != nil {
			t.Fatal(err)
		}
		if l = unheard(t, l); l.SaveLedger(ctx, []byte("heard")) != nil || !l.Valid() {
			t.Fatalf("%s is lost to an own write", unit)
		}
		l = unheard(t, l)
		if _, err := q.acquire(ctx, among("b"), unit); !errors.Is(err, errOwned) {
			t.Fatalf("%s of a living process: %v", unit, err)
		}
		if err := l.release(ctx); err != nil {
			t.Fatal(err)
		}
		next, err := q.acquire(ctx, among("b"), unit)
		if err != nil {
			t.Fatalf("%s was not given back: %v", unit, err)
		}
		if err := l.SaveLedger(ctx, []byte("late")); !errors.Is(err, ErrLostOwnership) {
			t.Errorf("a former owner wrote: %v", err)
		}
		if err := l.release(ctx); err != nil || !next.Valid() {
			t.Errorf("a former owner gave %s back again: %v", unit, err)
		}
		if state, _, err := q.ownership(ctx, unit); err != nil || string(state.State) != "heard" || state.Owner != "b" {
			t.Errorf("%s stands as %+v, %v", unit, state, err)
		}
	}
}

// startReturning is what a process among others has to give units back with.
func startReturning(t *testing.T, q *Queue) *work {
	t.Helper()
	w := &work{q: q, members: among(q.process), strays: newStrays()}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.all.Go(w.returnStrays)
	t.Cleanup(func() {
		w.cancel()
		w.all.Wait()
	})
	return w
}

// TestStraysAreGivenBack: a unit that could not be given back, or of which nobody knows whether it was taken, is given back
// as soon as the server answers again.
func TestStraysAreGivenBack(t *testing.T) {
	q := openQueue(t, testOptions(t))
	w := startReturning(t, q)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for name, lose := range map[string]func(unit string){
		"given back": func(unit string) {
			l, err := q.acquire(t.Context(), w.members, unit)
			if err != nil {
				t.Fatal(err)
			}
			w.giveBack(gone, l)
			if l.Valid() {
				t.Error("it may still be used")
			}
		},
		"taken": func(unit string) {
			l, next, err := q.claim(t.Context(), w.members, unit)
			if err == nil {
				err = l.store(t.Context(), next)
			}
			if err != nil {
				t.Fatal(err)
			}
			w.stray(&lease{q: q, members: w.members, unit: unit, held: next})
		},
	} {
		t.Run(name, func(t *testing.T) {
			unit := groupUnit("g-" + strings.Fields(name)[0])
			lose(unit)
			eventually(t, "another process has it", func() bool {
				_, err := q.acquire(t.Context(), among("other"), unit)
				if err != nil && !errors.Is(err, errOwned) {
					t.Fatal(err)
				}
				return err == nil
			})
		})
	}
}

// TestTakingWithoutAnAnswerLeavesNothing: what take could not finish is not kept from the others.
func TestTakingWithoutAnAnswerLeavesNothing(t *testing.T) {
	q := openQueue(t, testOptions(t))
	w := startReturning(t, q)
	unit := groupUnit("g")
	for n := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*time.Millisecond)
		l, err := w.take(ctx, unit)
		cancel()
		if err == nil {
			w.giveBack(t.Context(), l)
		}
		eventually(t, fmt.Sprintf("another process has it after %d ms", n), func() bool {
			other, err := q.acquire(t.Context(), among("other"), unit)
			return err == nil && other.release(t.Context()) == nil
		})
	}
}

// TestOwnersThatHoldOnAreNamed: a unit that its former owner does not give back is said to be missing, once.
func TestOwnersThatHoldOnAreNamed(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	var o overdue
	begin := time.Now()
	for _, after := range []time.Duration{0, time.Second, ownedLong - 1, ownedLong, 2 * ownedLong} {
		o.note(log, "group.g", begin.Add(after), fmt.Errorf("take: %w", errOwned))
		if said := strings.Count(text.String(), "group.g"); (said == 1) != (after >= ownedLong) {
			t.Errorf("after %s said %d times", after, said)
		}
	}
	o.note(log, "group.g", begin, nil)
	if o != (overdue{}) {
		t.Error("it is still overdue when it was taken")
	}
}

// TestValidWaitsForNoWrite: whether a unit may still be used is known at once, also while the server takes its time.
func TestValidWaitsForNoWrite(t *testing.T) {
	url := startExternal(t)
	wire := startLine(t, url[len("nats://"):])
	q := openQueue(t, externalOptions(t, wire.url()))
	l, err := q.acquire(t.Context(), among("a"), groupUnit("g"))
	if err != nil {
		t.Fatal(err)
	}
	wire.pause()
	saved := make(chan error, 1)
	go func() { saved <- l.SaveLedger(t.Context(), []byte("slow")) }()
	eventually(t, "it is being written", func() bool {
		if !l.writes.TryLock() {
			return true
		}
		l.writes.Unlock()
		return false
	})
	if valid, epoch := l.Valid(), l.Epoch(); !valid || epoch != 1 || len(saved) > 0 {
		t.Errorf("while it is written: valid %v, epoch %d, written already: %v", valid, epoch, len(saved) > 0)
	}
	wire.resume()
	if err := <-saved; err != nil {
		t.Error(err)
	}
	if state, err := l.Ledger(t.Context()); string(state) != "slow" || err != nil {
		t.Errorf("stored %q, %v", state, err)
	}
}
