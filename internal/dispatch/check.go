package dispatch

import (
	"context"
	"strconv"
	"time"

	"bridge/internal/calls"
	"bridge/internal/events"
)

// check reads back a step that was intended and never marked: after a crash, a time-out or a lost answer.
func (t *task) check(ctx context.Context, s events.Step) (events.Verdict, bool) {
	if !unsafe(s.Do) {
		return events.Verdict{}, true
	}
	if v, ok := t.afterwards(&s); !ok {
		return v, false
	}
	if s.Do == events.DoPayment {
		if err := t.prepare(ctx, &s); err != nil {
			return t.memoryFailed(s.ID, err), false
		}
	}
	found, err := t.keap.Check(ctx, t.ask([]events.Step{s}))
	switch {
	case err != nil:
		// Reading is safe to repeat whatever the step is; the mark stays "intended".
		j := judge(&events.Step{Do: events.DoTag}, calls.Result{Err: err})
		if j.kind == events.VerdictRetry && j.counts {
			t.marks.Attempts++
			t.changed = true
		}
		if j.kind == events.VerdictBury || t.marks.Attempts >= maxAttempts {
			j.kind, j.detail = events.VerdictDoubt, "the step may have happened and reading it back failed: "+j.detail
			j.reason = events.UnknownOutcome
		}
		return t.verdict(&s, calls.Result{Err: err}, j), false
	case found == calls.Happened:
		t.mark(s.ID, func(m *events.Mark) { m.State = events.StepDone })
		return events.Verdict{}, true
	case found == calls.NotHappened || s.Repeat:
		return events.Verdict{}, true
	}
	t.mark(s.ID, func(m *events.Mark) { m.State = events.StepDoubt })
	return events.Verdict{
		Kind: events.VerdictDoubt, Reason: events.UnknownOutcome, Step: s.ID,
		Detail: "the process stopped or lost the answer while this step was being sent, and Keap has no way to tell whether it happened; say so with bridge events resolve",
	}, false
}

// afterwards waits until a step that another process was sending when it died, or was paused, can be read back: its
// request may still be on its way, and a slow Keap may still be writing. A mark of a clock that is further off than the
// wait is not waited for.
func (t *task) afterwards(s *events.Step) (events.Verdict, bool) {
	m := t.marks.Steps[s.ID]
	if m.State != events.StepIntended || !canBeRead(s.Do) || t.now().Sub(m.At).Abs() >= settleDelay {
		return events.Verdict{}, true
	}
	return events.Verdict{
		Kind: events.VerdictSnooze, Reason: events.RetryWait, Until: m.At.Add(settleDelay), Step: s.ID,
		Detail: "the step may be under way; it is read back in " + strconv.Itoa(int(settleDelay/time.Second)) + " s",
	}, false
}
