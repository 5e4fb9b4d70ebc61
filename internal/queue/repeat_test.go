package queue

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bridge/internal/events"
)

// settledAs starts a queue with one event that got this verdict, and has let go of it.
func settledAs(t *testing.T, v events.Verdict) (*bench, events.Event) {
	t.Helper()
	b := started(t, testOptions(t), func(events.Delivery) (events.Verdict, bool) { return v, true })
	e := event("1", "ann@example.com")
	accept(t, b.Queue, e)
	eventually(t, "settled and let go", func() bool {
		return strings.HasPrefix(b.index.last(e.Key()), string(v.State())) && !b.memory.inHand(e.Key())
	})
	return b, e
}

// TestResolveCanBeRepeated: an answer to a doubt that was cut short, or given for the wrong account, leaves a doubt that can
// be answered.
func TestResolveCanBeRepeated(t *testing.T) {
	for _, happened := range []bool{true, false} {
		b, e := settledAs(t, events.Verdict{Kind: events.VerdictDoubt, Reason: events.UnknownOutcome, Step: "s"})
		ctx := context.Background()
		doubt := events.Marks{Steps: map[string]events.Mark{"s": {State: events.StepDoubt}}}
		if err := b.SaveMarks(ctx, e.Account, e.Key(), doubt); err != nil {
			t.Fatal(err)
		}
		if err := b.Resolve(ctx, "other", e.Key(), 1, "s", !happened); !errors.Is(err, ErrUnknownEvent) {
			t.Errorf("answered for another account: %v", err)
		}
		if j, err := b.LoadJournal(ctx, e.Account, e.Key()); err != nil || j.Marks.Steps["s"].State != events.StepDoubt {
			t.Errorf("after an answer for another account: %+v, %v", j.Marks, err)
		}
		// What an answer writes first; then the process dies.
		state := events.StepWaiting
		if happened {
			state = events.StepDone
		}
		if err := b.SaveMarks(ctx, e.Account, e.Key(), events.Marks{Steps: map[string]events.Mark{"s": {State: state}}}); err != nil {
			t.Fatal(err)
		}
		if err := b.Resolve(ctx, e.Account, e.Key(), 1, "s", !happened); err == nil {
			t.Error("the other answer was taken as well")
		}
		if err := b.Resolve(ctx, e.Account, e.Key(), 1, "s", happened); err != nil {
			t.Fatalf("the doubt cannot be answered any more: %v", err)
		}
		eventually(t, "worked again", func() bool { return len(b.groups.all()) == 2 })
		b.stop(t)
	}
}

// TestDiscardCanBeRepeated: a discard that was cut short after any of its writes is finished by the next one.
func TestDiscardCanBeRepeated(t *testing.T) {
	b, e := settledAs(t, events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected})
	ctx := context.Background()
	// What a discard writes first; then the process dies.
	err := b.changeMarks(ctx, e.Key(), seal{}, func(m *events.Marks, _ chapter) error {
		m.Discarded = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := b.Discard(ctx, e.Account, e.Key(), 1, "job-1"); !ok || err != nil {
		t.Fatalf("discard again: %v, %v", ok, err)
	}
	eventually(t, "discarded", func() bool { return b.index.last(e.Key()) == "discarded/discarded" })
	if got := b.slots(t); len(got) != 0 {
		t.Errorf("still failed: %v", got)
	}
	if ok, err := b.Discard(ctx, e.Account, e.Key(), 1, "job-1"); ok || err != nil {
		t.Errorf("what is discarded was discarded: %v, %v", ok, err)
	}
	if ok, err := b.Restore(ctx, e.Account, e.Key(), 1, "job-2"); !ok || err != nil {
		t.Fatalf("restore: %v, %v", ok, err)
	}
	eventually(t, "failed again", func() bool { return len(b.slots(t)) == 1 })
}

// TestDiscardIsSaidBeforeItsSlotGoes: as long as an event's slot is there its discard can be repeated, so the slot goes last.
func TestDiscardIsSaidBeforeItsSlotGoes(t *testing.T) {
	b, e := settledAs(t, events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected})
	if err := b.outcomes.stop(t.Context()); err != nil { // nothing can be recorded from here on
		t.Fatal(err)
	}
	if ok, err := b.Discard(t.Context(), e.Account, e.Key(), 1, "job-1"); ok || err == nil {
		t.Fatalf("discard without a word of it: %v, %v", ok, err)
	}
	if got := b.slots(t); len(got) != 1 {
		t.Error("the event is neither failed nor said to be discarded")
	}
}
