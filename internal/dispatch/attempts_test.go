package dispatch

import (
	"strconv"
	"testing"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/keap"
)

// TestGroupBurnsOneAttempt: the steps of a group share one call, so an order of many items must survive an outage as
// long as one of a single item.
func TestGroupBurnsOneAttempt(t *testing.T) {
	var tags []events.Step
	for i := range maxAttempts + 1 {
		tags = append(tags, step(events.DoTag, "Bought "+strconv.Itoa(i)))
	}
	s := newStage(tags...)
	s.answer = func(events.Step) calls.Result {
		return calls.Result{Calls: 1, Status: 503, Err: &keap.Error{Kind: keap.KindOverloaded, Status: 503, Sent: true, Answered: true, Message: "busy"}}
	}
	for n := 1; n < maxAttempts; n++ {
		if v, _ := s.handle(t); v.Kind != events.VerdictRetry || v.Attempt != n {
			t.Fatalf("handling %d: %+v", n, v)
		}
	}
	if v, _ := s.handle(t); v.Reason != events.AttemptsSpent {
		t.Errorf("at the end %+v", v)
	}
}
