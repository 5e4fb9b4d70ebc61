package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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

// TestLockOutlivesItsHolderForAWhile: a lock whose holder crashed is to be had when its life is over, and not only when the
// server's marker for that is gone as well.
func TestLockOutlivesItsHolderForAWhile(t *testing.T) {
	t.Parallel()
	q := openQueue(t, Options{DataDir: t.TempDir()})
	if _, err := q.lock(t.Context(), "tokens", time.Second); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	unlock, err := q.lock(ctx, "tokens", time.Minute)
	if err != nil {
		t.Fatal("a lock that ran out is not to be had: ", err)
	}
	msg, err := q.newest(ctx, streamLedger, lockSubject("tokens"))
	if err != nil || isMarker(msg.Header) {
		t.Errorf("%+v, %v", msg, err)
	}
	unlock()
	if unlock, err = q.LockNote(ctx, "tokens"); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// TestNotesForAWhileGo: a note that is kept for a while leaves nothing behind, whoever forgets about it.
func TestNotesForAWhileGo(t *testing.T) {
	q := openQueue(t, testOptions(t))
	revision, err := q.SaveNoteFor(t.Context(), "login", []byte("begun"), 0, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if value, at, err := q.Note(t.Context(), "login"); string(value) != "begun" || at != revision || err != nil {
		t.Fatalf("%q at %d, %v", value, at, err)
	}
	eventually(t, "it is gone", func() bool {
		value, _, err := q.Note(t.Context(), "login")
		return err == nil && len(value) == 0
	})
	if _, err := q.SaveNoteFor(t.Context(), "login", []byte("late"), revision, time.Hour); !errors.Is(err, ErrConflict) {
		t.Errorf("what has gone was replaced: %v", err)
	}
}
