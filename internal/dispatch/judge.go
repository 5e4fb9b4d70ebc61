package dispatch

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/cenkalti/backoff/v4"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/keap"
)

// unsafe tells which steps must not be sent twice: Keap has no idempotency key, and each sending of one of these
// takes effect again (keap-api: §8.2). The others may be repeated at will. Sequences answer ALREADY_IN_SEQUENCE,
// but a contact that has left a sequence would start it again.
func unsafe(kind events.StepKind) bool {
	switch kind {
	case events.DoContact, events.DoOwner, events.DoTag, events.DoUntag:
		return false
	}
	return true
}

// canBeRead tells whether Keap can be asked if a step happened. Goals, e-mails and action sets leave nothing behind that
// could be read.
func canBeRead(kind events.StepKind) bool {
	return kind != events.DoGoal && kind != events.DoEmail && kind != events.DoActionSet
}

// Attempts: the delays double from 5 s to an hour, with jitter; the last attempt is made after some five hours, so
// that an outage of an hour or two heals by itself.
const (
	maxAttempts = 14
	firstDelay  = 5 * time.Second
	maxDelay    = time.Hour
	jitterShare = 0.3

	// settleDelay is waited before a step is read back: a slow Keap may still be writing it.
	settleDelay = 15 * time.Second
	// memoryRetry is waited when the memory of steps cannot be reached.
	memoryRetry = 5 * time.Second
	// credentialRetry is waited when Keap refuses the credential and the planner named no time.
	credentialRetry = 5 * time.Minute
	// wrongURLRetry is waited when something answers that is not Keap.
	wrongURLRetry = time.Minute
)

// delay is the wait before the next attempt, after n that failed. r in [0, 1) spreads what failed together.
func delay(n int, r float64) time.Duration {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstDelay), backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0),
		backoff.WithMaxInterval(maxDelay), backoff.WithMaxElapsedTime(0),
	)
	wait := firstDelay
	for range max(n, 1) {
		wait = b.NextBackOff()
	}
	spread := 1 + jitterShare*(2*r-1)
	return time.Duration(math.Round(float64(wait) * spread))
}

// judgement is what judge decides about one failed step.
type judgement struct {
	kind            events.VerdictKind
	reason          events.Reason
	detail          string
	counts          bool          // Retry: an attempt is burnt
	after           time.Duration // Retry: at least; Snooze: where until is zero
	until           time.Time     // Snooze
	mayHaveHappened bool          // the step stays marked as intended and is read back before it is repeated
}

// judge decides about the failure of one step. It is pure: the table test in judge_test.go is its specification.
func judge(s *events.Step, r calls.Result) judgement {
	var (
		closed  *calls.Closed
		invalid *calls.Invalid
		failed  *keap.Error
	)
	switch {
	case errors.As(r.Err, &closed):
		return judgement{kind: events.VerdictSnooze, reason: closed.Reason, until: closed.Until, detail: closed.Detail}
	case errors.As(r.Err, &invalid):
		return judgement{kind: events.VerdictBury, reason: invalid.Reason, detail: invalid.Detail}
	case errors.As(r.Err, &failed):
		return judgeKeap(s, r.Sent, failed) // not failed.Sent: that may be of a look-up before the step
	case errors.Is(r.Err, context.Canceled), errors.Is(r.Err, context.DeadlineExceeded):
		if r.Sent && unsafe(s.Do) {
			return unknown(s, "the answer was not waited for")
		}
		return judgement{kind: events.VerdictSnooze, reason: events.ShuttingDown, detail: "the process stops; the next one goes on"}
	}
	return judgement{kind: events.VerdictRetry, reason: events.RetryWait, counts: true, detail: "the step could not be sent; see the log"}
}

func judgeKeap(s *events.Step, sent bool, e *keap.Error) judgement {
	detail := e.Message
	if e.Hint != "" {
		detail += " (" + e.Hint + ")"
	}
	again := judgement{kind: events.VerdictRetry, reason: events.RetryWait, counts: true, after: e.RetryAfter, detail: detail}
	bury := func(reason events.Reason) judgement {
		return judgement{kind: events.VerdictBury, reason: reason, detail: detail}
	}
	switch e.Kind {
	case keap.KindThrottled:
		again.counts = false // waiting for quota burns nothing
		again.reason = events.Throttled
		return again
	case keap.KindDenied, keap.KindCredential:
		return judgement{kind: events.VerdictSnooze, reason: events.Unauthorized, detail: detail, after: credentialRetry}
	case keap.KindInvalid:
		return bury(events.FieldInvalid)
	case keap.KindForbidden:
		return bury(events.KeapForbidden)
	case keap.KindNotFound:
		return bury(events.TargetUnknown)
	case keap.KindRefused, keap.KindMissing, keap.KindConflict, keap.KindTooLarge, keap.KindFault:
		return bury(events.KeapRejected)
	case keap.KindWrongURL:
		again.counts = false // a wrong setting must not fail events: they wait until it is put right
		again.after = max(again.after, wrongURLRetry)
		return again
	case keap.KindBrownout:
		if s.Do == events.DoActionSet && sent && e.Answered && e.Status < 500 {
			return again // something that is not XML-RPC answered: nothing ran
		}
	case keap.KindUnreachable, keap.KindTLS, keap.KindOverloaded:
		return again // nothing was done, whatever the step is
	}
	if sent && unsafe(s.Do) {
		return unknown(s, detail)
	}
	return again
}

// unknown is for a step that may have happened: where Keap can tell it is read back a little later, where it
// cannot a person has to.
func unknown(s *events.Step, detail string) judgement {
	if !canBeRead(s.Do) && !s.Repeat {
		return judgement{kind: events.VerdictDoubt, reason: events.UnknownOutcome,
			detail: "the step was sent and its answer lost, so it may have happened; look at the contact in Keap and say so with bridge events resolve: " + detail}
	}
	return judgement{kind: events.VerdictRetry, reason: events.RetryWait, counts: true, after: settleDelay, mayHaveHappened: true, detail: detail}
}
