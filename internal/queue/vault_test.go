package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestNotesAreComparedAndSet(t *testing.T) {
	q := openQueue(t, Options{DataDir: t.TempDir()})
	if value, rev, err := q.Note(t.Context(), "paused/default"); value != nil || rev != 0 || err != nil {
		t.Fatalf("%q %d %v", value, rev, err)
	}
	first, err := q.SaveNote(t.Context(), "paused/default", []byte("yes"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.SaveNote(t.Context(), "paused/default", []byte("other"), 0); !errors.Is(err, ErrConflict) {
		t.Errorf("created twice: %v", err)
	}
	if _, err := q.SaveNote(t.Context(), "paused/default", []byte("no"), first); err != nil {
		t.Fatal(err)
	}
	if _, err := q.SaveNote(t.Context(), "paused/default", []byte("late"), first); !errors.Is(err, ErrConflict) {
		t.Errorf("an old revision was replaced: %v", err)
	}
	if value, _, err := q.Note(t.Context(), "paused/default"); string(value) != "no" || err != nil {
		t.Errorf("%q %v", value, err)
	}
}

func TestLockHasOneHolder(t *testing.T) {
	q := openQueue(t, Options{DataDir: t.TempDir()})
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 3 {
				unlock, err := q.LockNote(t.Context(), "tokens")
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), inside.Add(1)))
				inside.Add(-1)
				unlock()
				unlock() // harmless
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d held the lock at once", most.Load())
	}
	unlock, err := q.LockNote(t.Context(), "tokens")
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.LockNote(ctx, "tokens"); err == nil {
		t.Error("a held lock was taken")
	}
}
