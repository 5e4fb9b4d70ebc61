package dispatch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bridge/internal/calls"
	"bridge/internal/events"
)

// TestLostRaceIsNotWrittenOver: another owner wrote down that a step is done while this one wanted to record that it
// was about to send it. What the other wrote stays.
func TestLostRaceIsNotWrittenOver(t *testing.T) {
	s := newStage(step(events.DoGoal, "x"), step(events.DoNote, "y"))
	key := events.KeyOf("default", "shop", "1")
	id := s.plan.Steps[0].ID
	race := &racing{stage: s, other: events.Journal{Plan: &s.plan, Marks: events.Marks{Steps: map[string]events.Mark{id: {State: events.StepDone}}}}}
	w := NewWorker(s, race, s, quiet)
	v := w.Handle(t.Context(), events.Delivery{Event: events.Event{ID: "1", Account: "default", Source: "shop"}})
	if v.State() != events.Parked {
		t.Errorf("verdict %+v", v)
	}
	j, err := s.LoadJournal(t.Context(), "default", key)
	if err != nil || j.Marks.Steps[id].State != events.StepDone {
		t.Errorf("the other's mark is gone: %+v %v", j.Marks, err)
	}
	if v, _ := s.handle(t); v.State() != events.Done || !slices.Equal(s.asked, []string{"goal:x", "note:y"}) {
		t.Errorf("then %+v, asked %v", v, s.asked)
	}
}

// racing loses the first write of marks to another owner, as the queue's memory tells it: once, then it knows what is stored.
type racing struct {
	*stage
	other events.Journal
	lost  bool
}

func (r *racing) SaveMarks(ctx context.Context, account, key string, m events.Marks) error {
	if r.lost {
		return r.stage.SaveMarks(ctx, account, key, m)
	}
	r.lost = true
	if err := r.store(key, func(j *events.Journal) { *j = r.other }); err != nil {
		return err
	}
	return errors.New("wrong last sequence")
}

// TestReadBackWaitsForWhatIsUnderWay: a process died while it was sending; the next one takes the event up at once, and
// Keap may not show yet what the request did.
func TestReadBackWaitsForWhatIsUnderWay(t *testing.T) {
	for do, waits := range map[events.StepKind]bool{events.DoNote: true, events.DoOrder: true, events.DoSequence: true, events.DoGoal: false} {
		s := newStage(step(do, "x"))
		s.crash = func(events.Step) bool { return true }
		if _, died := s.handle(t); !died {
			t.Fatal("no crash")
		}
		s.crash, s.finding, s.later = nil, calls.Happened, time.Second
		if do == events.DoGoal {
			s.finding = calls.CannotTell
		}
		v, _ := s.handle(t)
		if waits != (v.Kind == events.VerdictSnooze && s.checks == 0) || !waits && v.Kind != events.VerdictDoubt {
			t.Errorf("%s, taken up at once: %+v, read back %d times", do, v, s.checks)
		}
		if wait := time.Until(v.Until); waits && (wait < settleDelay-5*time.Second || wait > settleDelay || v.Attempt > 0) {
			t.Errorf("%s waits %v, attempt %d", do, wait, v.Attempt)
		}
		if v, _ := s.handle(t); waits && (v.State() != events.Done || s.checks != 1 || len(s.asked) != 1) {
			t.Errorf("%s, a minute later: %+v, read back %d times, asked %v", do, v, s.checks, s.asked)
		}
	}
}
