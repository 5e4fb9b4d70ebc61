package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/keap"
)

// The three classes of steps.
var classes = map[string][]events.StepKind{
	"safe":       {events.DoContact, events.DoOwner, events.DoTag, events.DoUntag},
	"readable":   {events.DoSequence, events.DoNote, events.DoTask, events.DoOrder, events.DoPayment},
	"unreadable": {events.DoGoal, events.DoEmail, events.DoActionSet},
}

// again, bury, doubt and check are what judge may say, in short: retry that counts, retry that does not,
// failed for good, in doubt, and retry after reading back.
const (
	again = "again"
	free  = "again, no attempt"
	doubt = "doubt"
	check = "read back"
	wait  = "snooze"
)

func short(j judgement) string {
	switch {
	case j.kind == events.VerdictRetry && j.mayHaveHappened:
		return check
	case j.kind == events.VerdictRetry && j.counts:
		return again
	case j.kind == events.VerdictRetry:
		return free
	case j.kind == events.VerdictDoubt:
		return doubt
	case j.kind == events.VerdictSnooze:
		return wait
	}
	return string(j.reason)
}

// TestJudge is the specification of judge: every kind of Keap error, sent or not, for every class of steps.
func TestJudge(t *testing.T) {
	table := []struct {
		kind                       keap.Kind
		sent                       bool
		safe, readable, unreadable string
	}{
		{keap.KindInvalid, false, "field.invalid", "field.invalid", "field.invalid"},
		{keap.KindCredential, false, wait, wait, wait},
		{keap.KindDenied, true, wait, wait, wait},
		{keap.KindUnreachable, false, again, again, again},
		{keap.KindTLS, false, again, again, again},
		{keap.KindOverloaded, true, again, again, again},
		{keap.KindThrottled, true, free, free, free},
		{keap.KindWrongURL, true, free, free, free},
		{keap.KindCancelled, false, again, again, again},
		{keap.KindCancelled, true, again, check, doubt},
		{keap.KindTimeout, false, again, again, again},
		{keap.KindTimeout, true, again, check, doubt},
		{keap.KindReset, false, again, again, again},
		{keap.KindReset, true, again, check, doubt},
		{keap.KindUnreadable, true, again, check, doubt},
		{keap.KindServer, true, again, check, doubt},
		{keap.KindBrownout, true, again, check, doubt},
		{keap.KindFault, true, "keap.rejected", "keap.rejected", "keap.rejected"},
		{keap.KindRefused, true, "keap.rejected", "keap.rejected", "keap.rejected"},
		{keap.KindMissing, true, "keap.rejected", "keap.rejected", "keap.rejected"},
		{keap.KindConflict, true, "keap.rejected", "keap.rejected", "keap.rejected"},
		{keap.KindTooLarge, true, "keap.rejected", "keap.rejected", "keap.rejected"},
		{keap.KindForbidden, true, "keap.forbidden", "keap.forbidden", "keap.forbidden"},
		{keap.KindNotFound, true, "target.unknown", "target.unknown", "target.unknown"},
	}
	for _, row := range table {
		for class, want := range map[string]string{"safe": row.safe, "readable": row.readable, "unreadable": row.unreadable} {
			for _, kind := range classes[class] {
				err := fmt.Errorf("wrapped: %w", &keap.Error{Kind: row.kind, Sent: row.sent, Message: "m"})
				got := judge(&events.Step{Do: kind}, calls.Result{Err: err, Sent: row.sent})
				if short(got) != want {
					t.Errorf("%s, sent %v, step %s: %s, want %s", row.kind, row.sent, kind, short(got), want)
				}
				if got.detail == "" {
					t.Errorf("%s: no text for people", row.kind)
				}
			}
		}
	}
}

func TestJudgeOtherErrors(t *testing.T) {
	until := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		err  error
		sent bool
		want string
	}{
		{&calls.Closed{Until: until, Reason: events.QuotaDay}, false, wait},
		{&calls.Invalid{Reason: events.TagUnknown}, false, "tag.unknown"},
		{context.Canceled, false, wait},
		{context.Canceled, true, doubt},
		{context.DeadlineExceeded, false, wait},
		{errors.New("something else"), false, again},
	} {
		if got := short(judge(&events.Step{Do: events.DoGoal}, calls.Result{Err: tc.err, Sent: tc.sent})); got != tc.want {
			t.Errorf("%v, sent %v: %s, want %s", tc.err, tc.sent, got, tc.want)
		}
	}
	if got := judge(&events.Step{}, calls.Result{Err: &calls.Closed{Until: until, Reason: events.QuotaDay}}); got.until != until || got.reason != events.QuotaDay {
		t.Errorf("a closed window is parked until %v with %s", got.until, got.reason)
	}
}

// TestFailedLookUpIsNoDoubt: what failed was a request before the step's own.
func TestFailedLookUpIsNoDoubt(t *testing.T) {
	for _, kinds := range classes {
		for _, kind := range kinds {
			err := &keap.Error{Kind: keap.KindServer, Operation: "contacts.list", Status: 502, Sent: true, Answered: true}
			if got := judge(&events.Step{Do: kind}, calls.Result{Err: err}); short(got) != again {
				t.Errorf("%s: %s, want %s", kind, short(got), again)
			}
		}
	}
}

// TestOnDoubtRepeat: on_doubt: repeat never asks a person.
func TestOnDoubtRepeat(t *testing.T) {
	for _, kind := range classes["unreadable"] {
		got := judge(&events.Step{Do: kind, Repeat: true}, calls.Result{Err: &keap.Error{Kind: keap.KindTimeout, Sent: true}, Sent: true})
		if short(got) != check {
			t.Errorf("%s: %s, want %s", kind, short(got), check)
		}
	}
}

// TestRetryAfterIsHonouredInFull: the server's own word is never shortened.
func TestRetryAfterIsHonouredInFull(t *testing.T) {
	got := judge(&events.Step{Do: events.DoTag}, calls.Result{Err: &keap.Error{Kind: keap.KindThrottled, RetryAfter: 6 * time.Hour}})
	if got.after != 6*time.Hour {
		t.Errorf("after %v, want 6h", got.after)
	}
}

func TestDelayGrowsAndStaysBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 100).Draw(t, "n")
		r := rapid.Float64Range(0, 0.999).Draw(t, "r")
		got := delay(n, r)
		if got < time.Duration(float64(firstDelay)*(1-jitterShare))-1 || got > time.Duration(float64(maxDelay)*(1+jitterShare))+1 {
			t.Fatalf("delay(%d, %v) = %v", n, r, got)
		}
		if n > 1 && n < 8 && delay(n, r) <= delay(n-1, r) {
			t.Fatalf("delay(%d) = %v is not longer than the one before", n, got)
		}
	})
	var all time.Duration
	for n := 1; n < maxAttempts; n++ {
		all += delay(n, 0.5)
	}
	if all < 3*time.Hour {
		t.Errorf("the last attempt comes after %v: an outage of two hours would fail events", all)
	}
}
