package queue

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// stepper is a worker in small: it plans two steps, and does in each run what may be done.
type stepper struct {
	q       *Queue
	fail    func(step string) (events.Verdict, bool)
	did     chan string
	planned chan string
}

var twoSteps = []events.Step{{ID: "r/tag:A#1", Do: events.DoTag}, {ID: "r/order#1", Do: events.DoOrder}}

func (s *stepper) decide(d events.Delivery) (events.Verdict, bool) {
	ctx, key := context.Background(), d.Event.Key()
	var j events.Journal
	var err error
	if !d.First {
		if j, err = s.q.LoadJournal(ctx, d.Event.Account, key); err != nil {
			return events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait}, true
		}
	}
	if j.Marks.Discarded {
		return events.Verdict{Kind: events.VerdictDone, Reason: events.Discarded}, true
	}
	if j.Plan == nil || j.Marks.Job != d.Replay {
		j.Plan = &events.Plan{Rules: []string{"r"}, Steps: twoSteps}
		s.planned <- d.Event.ID
		if err := s.q.SavePlan(ctx, d.Event.Account, key, *j.Plan); err != nil {
			return events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait}, true
		}
		j.Marks.Job = d.Replay
	}
	if j.Marks.Steps == nil {
		j.Marks.Steps = map[string]events.Mark{}
	}
	v := events.Verdict{Kind: events.VerdictDone}
	for _, step := range j.Plan.Steps {
		if j.Marks.Steps[step.ID].State == events.StepDone {
			continue
		}
		state := events.StepDone
		if bad, ok := s.fail(step.ID); ok {
			v, state = bad, events.StepFailed
			if v.Kind == events.VerdictDoubt {
				state = events.StepDoubt
			}
		} else {
			s.did <- step.ID
		}
		j.Marks.Steps[step.ID] = events.Mark{State: state, At: time.Now().UTC()}
		if err := s.q.SaveMarks(ctx, d.Event.Account, key, j.Marks); err != nil {
			return events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait}, true
		}
		if v.Kind != events.VerdictDone {
			break
		}
	}
	for id, m := range j.Marks.Steps {
		v.Steps = append(v.Steps, events.StepReport{ID: id, State: m.State})
	}
	return v, true
}

func startStepper(t *testing.T, opt Options, fail func(step string) (events.Verdict, bool)) (*bench, *stepper) {
	t.Helper()
	s := &stepper{fail: fail, did: make(chan string, 10_000), planned: make(chan string, 10_000)}
	b := &bench{Queue: openQueue(t, opt), groups: &testGroups{decide: s.decide}, front: &testFront{}}
	s.q = b.Queue
	b.start(t)
	return b, s
}

func drain(c chan string) []string {
	var list []string
	for len(c) > 0 {
		list = append(list, <-c)
	}
	return list
}

func onStep(step string, v events.Verdict, enabled *bool) func(string) (events.Verdict, bool) {
	return func(s string) (events.Verdict, bool) { return v, s == step && *enabled }
}

// slots lists the failed events as they wait, in the order in which they failed.
func (b *bench) slots(t *testing.T) (all []Slot) {
	t.Helper()
	for after := uint64(0); ; {
		msg, err := b.get(context.Background(), streamFailed, after+1, jetstream.WithGetMsgSubject(subjectFailed+"*.*"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var s Slot
		if err := json.Unmarshal(msg.Data, &s); err != nil {
			t.Fatal(err)
		}
		all, after = append(all, s), msg.Sequence
	}
}

func TestReplaySkipsWhatIsDone(t *testing.T) {
	broken := true
	b, s := startStepper(t, testOptions(t), onStep("r/order#1", events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected}, &broken))
	e := event("1", "a@example.com")
	key := e.Key()
	accept(t, b.Queue, e)
	eventually(t, "failed", func() bool { return b.index.last(key) == "failed/keap.rejected" && len(b.slots(t)) == 1 })
	broken = false
	ctx := context.Background()
	if ok, err := b.Replay(ctx, "default", key, 1, "job-1"); !ok || err != nil {
		t.Fatalf("replay: %v, %v", ok, err)
	}
	eventually(t, "done", func() bool { return b.index.last(key) == "done" })
	if got := drain(s.did); !slices.Equal(got, []string{"r/tag:A#1", "r/order#1"}) {
		t.Errorf("steps done: %v", got)
	}
	if got := drain(s.planned); len(got) != 2 {
		t.Errorf("planned %d times, want anew for the replay", len(got))
	}
	if got := b.slots(t); len(got) != 0 {
		t.Errorf("still failed: %v", got)
	}
	if ok, err := b.Replay(ctx, "default", key, 1, "job-2"); !ok || err != nil {
		t.Fatalf("replay of what is done: %v, %v", ok, err)
	}
	eventually(t, "done again", func() bool { return len(b.groups.all()) == 3 && b.index.last(key) == "done" })
	if got := drain(s.did); len(got) != 0 {
		t.Errorf("a replay repeated %v", got)
	}
	if err := b.secureDelete(ctx, streamEvents, 1); err != nil {
		t.Fatal(err)
	}
	b.routed.clear()
	if ok, err := b.Replay(ctx, "default", key, 1, "job-3"); ok || err != nil {
		t.Errorf("replay of what is gone: %v, %v", ok, err)
	}
}

// TestReplayAfterTheMemoryEnded: the log of outcomes tells what is done when the journal is gone.
func TestReplayAfterTheMemoryEnded(t *testing.T) {
	never := false
	b, s := startStepper(t, testOptions(t), onStep("", events.Verdict{}, &never))
	ctx := context.Background()
	e := event("1", "a@example.com")
	e.Received = time.Now().Add(-20 * 24 * time.Hour).UTC()
	accept(t, b.Queue, e)
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
	drain(s.did)
	if err := b.streams[streamMemory].Purge(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the event is let go", func() bool { return !b.memory.inHand(e.Key()) })
	if ok, err := b.Replay(ctx, "default", e.Key(), 1, "job-1"); !ok || err != nil {
		t.Fatalf("replay: %v, %v", ok, err)
	}
	eventually(t, "done again", func() bool { return len(b.groups.all()) == 2 && b.index.last(e.Key()) == "done" })
	if got := drain(s.did); len(got) != 0 {
		t.Errorf("a late replay repeated %v", got)
	}
}

func TestReplayOfWhatNeverGotToTheLog(t *testing.T) {
	b := started(t, testOptions(t), done)
	ctx := context.Background()
	e := event("1", "a@example.com")
	e.Account = "unknown"
	accept(t, b.Queue, e)
	eventually(t, "failed", func() bool { return b.index.last(e.Key()) == "failed/config" })
	b.front.configure("unknown")
	stored, err := b.Stored(ctx, "unknown", e.Key(), 0)
	if err != nil || stored == nil || stored.ID != "1" {
		t.Fatalf("stored: %v, %v", stored, err)
	}
	if ok, err := b.Replay(ctx, "unknown", e.Key(), 0, "job-1"); !ok || err != nil {
		t.Fatalf("replay: %v, %v", ok, err)
	}
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
	if got := b.slots(t); len(got) != 0 {
		t.Errorf("still failed: %v", got)
	}
}

func TestResolve(t *testing.T) {
	for _, happened := range []bool{true, false} {
		broken := true
		b, s := startStepper(t, testOptions(t), onStep("r/order#1", events.Verdict{Kind: events.VerdictDoubt, Reason: events.UnknownOutcome}, &broken))
		e := event("1", "a@example.com")
		accept(t, b.Queue, e)
		eventually(t, "in doubt", func() bool { return b.index.last(e.Key()) == "in_doubt/unknown_outcome" && !b.memory.inHand(e.Key()) })
		drain(s.did)
		drain(s.planned)
		broken = false
		ctx := context.Background()
		if err := b.Resolve(ctx, "default", e.Key(), 1, "r/tag:A#1", true); err == nil {
			t.Error("a done step was resolved")
		}
		if err := b.Resolve(ctx, "default", e.Key(), 1, "r/order#1", happened); err != nil {
			t.Fatal(err)
		}
		eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
		if got := drain(s.did); slices.Contains(got, "r/order#1") == happened || len(got) > 1 {
			t.Errorf("happened %v: then ran %v", happened, got)
		}
		if got := drain(s.planned); len(got) != 0 {
			t.Errorf("planned anew: %v", got)
		}
		b.stop(t)
	}
}

func TestDiscardAndRestore(t *testing.T) {
	broken := true
	b, _ := startStepper(t, testOptions(t), onStep("r/order#1", events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected}, &broken))
	ctx := context.Background()
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "failed", func() bool { return b.index.last(e.Key()) == "failed/keap.rejected" })
	if ok, err := b.Discard(ctx, "default", e.Key(), 1, "job-1"); !ok || err != nil {
		t.Fatalf("discard: %v, %v", ok, err)
	}
	eventually(t, "discarded", func() bool { return b.index.last(e.Key()) == "discarded/discarded" })
	if ok, err := b.Discard(ctx, "default", e.Key(), 1, "job-1"); ok || err != nil {
		t.Errorf("discarded twice: %v, %v", ok, err)
	}
	if got := b.slots(t); len(got) != 0 {
		t.Errorf("still failed: %v", got)
	}
	if ok, err := b.Restore(ctx, "default", e.Key(), 1, "job-1"); !ok || err != nil {
		t.Fatalf("restore: %v, %v", ok, err)
	}
	eventually(t, "failed again", func() bool { return b.index.last(e.Key()) == "failed/keap.rejected" && len(b.slots(t)) == 1 })
	if ok, err := b.Restore(ctx, "default", e.Key(), 1, "job-1"); ok || err != nil {
		t.Errorf("restored twice: %v, %v", ok, err)
	}
}

// TestDiscardWhatIsInHand: the worker that has the event finds out at its next write.
func TestDiscardWhatIsInHand(t *testing.T) {
	b := started(t, testOptions(t), nil)
	ctx := context.Background()
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "in hand", func() bool { return len(b.groups.all()) == 1 })
	if err := b.SavePlan(ctx, "default", e.Key(), events.Plan{Rules: []string{"r"}, Steps: twoSteps}); err != nil {
		t.Fatal(err)
	}
	if ok, err := b.Discard(ctx, "default", e.Key(), 1, "job-1"); !ok || err != nil {
		t.Fatalf("discard: %v, %v", ok, err)
	}
	marks := events.Marks{Steps: map[string]events.Mark{"r/tag:A#1": {State: events.StepDone}}}
	if err := b.SaveMarks(ctx, "default", e.Key(), marks); !lostRace(err) {
		t.Fatalf("the worker wrote over the discard: %v", err)
	}
	j, err := b.LoadJournal(ctx, "default", e.Key())
	if err != nil || !j.Marks.Discarded || j.Plan == nil {
		t.Errorf("journal: %+v, %v", j, err)
	}
	h := b.groups.hands(0)
	if err := h.settle[0](ctx, events.Verdict{Kind: events.VerdictDone, Reason: events.Discarded}); err != nil {
		t.Error(err)
	}
}
