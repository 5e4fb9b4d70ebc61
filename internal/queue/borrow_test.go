package queue

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestBorrow: a process that does not work takes a group for a moment; what it stored is there for the next owner.
func TestBorrow(t *testing.T) {
	q := openQueue(t, testOptions(t))
	for i, want := range []string{"", "first"} {
		b, err := q.Borrow(t.Context(), "app-ab123")
		if err != nil {
			t.Fatal(err)
		}
		state, err := b.Ledger(t.Context())
		if err != nil || string(state) != want {
			t.Errorf("loan %d begins with %q, %v; want %q", i, state, err, want)
		}
		if err := b.SaveLedger(t.Context(), []byte("first")); err != nil {
			t.Error(err)
		}
		if err := b.Return(t.Context()); err != nil {
			t.Error(err)
		}
		if err := b.SaveLedger(t.Context(), []byte("late")); !errors.Is(err, ErrLostOwnership) {
			t.Errorf("a loan that was returned can still write: %v", err)
		}
	}
	if q.Wake("app-ab123") {
		t.Error("somebody was woken where nobody works")
	}
	closeQueue(t, q)
}

// TestBorrowAmongOthers: what a living process has cannot be borrowed, and what is borrowed goes to a worker at once.
func TestBorrowAmongOthers(t *testing.T) {
	url := startExternal(t)
	guest := openQueue(t, externalOptions(t, url))
	t.Cleanup(func() { closeQueue(t, guest) })
	b, err := guest.Borrow(t.Context(), "acc1")
	if err != nil {
		t.Fatal(err)
	}
	worker := startMember(t, url, done)
	eventually(t, "the worker has the group", func() bool {
		if !guest.Wake("acc1") { // again and again: a wake message may be lost
			t.Error("nobody was told")
		}
		return len(worker.groups.names()) == 1
	})
	if err := b.SaveLedger(t.Context(), []byte("late")); !errors.Is(err, ErrLostOwnership) {
		t.Errorf("two processes can write: %v", err)
	}
	if err := b.Return(t.Context()); err != nil {
		t.Errorf("return of what another has taken: %v", err)
	}
	if _, err := guest.Borrow(t.Context(), "acc1"); !errors.Is(err, ErrOwned) {
		t.Errorf("borrowed from a living owner: %v", err)
	}
}

func TestAsk(t *testing.T) {
	q := openQueue(t, testOptions(t))
	if _, err := q.Ask(t.Context(), "permits", nil); !errors.Is(err, ErrNobody) {
		t.Errorf("nobody listens: %v", err)
	}
	entered := make(chan struct{}, 2)
	stop, err := q.Answer("permits", func(ctx context.Context, question []byte) ([]byte, error) {
		entered <- struct{}{}
		if string(question) == "wait" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if string(question) == "no" {
			return nil, errors.New("not today")
		}
		return append([]byte("re: "), question...), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := q.Ask(ctx, "permits", []byte("wait"))
		waiting <- err
	}()
	<-entered // and the next question need not wait for it
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if got, err := q.Ask(ctx, "permits", []byte("one")); err != nil || string(got) != "re: one" {
		t.Errorf("answer %q, %v", got, err)
	}
	var refused *Refused
	if _, err := q.Ask(ctx, "permits", []byte("no")); !errors.As(err, &refused) || refused.Text != "not today" {
		t.Errorf("refusal: %v", err)
	}
	stop()
	if err := <-waiting; !errors.As(err, &refused) {
		t.Errorf("an answer that was cut off: %v", err)
	}
	if _, err := q.Ask(ctx, "permits", nil); !errors.Is(err, ErrNobody) {
		t.Errorf("after stop: %v", err)
	}
	closeQueue(t, q)
}
