package history

import (
	"testing"
	"time"

	"bridge/internal/events"
)

// TestCallMakesAnEventWorking: between its first call and its end an event is in hand, and so it is after its park.
func TestCallMakesAnEventWorking(t *testing.T) {
	until := day.Add(time.Hour)
	call := func(key string, at time.Time) events.LogRecord {
		return events.LogRecord{Outcomes: []events.Outcome{{
			Kind: events.OutcomeCall, At: at, Account: "default", Call: &events.CallReport{Operation: "tags.apply", Status: 200, Served: []events.Served{{Key: key, Step: "s"}}},
		}}}
	}
	state := func(key string, s events.State, until *time.Time) events.LogRecord {
		return events.LogRecord{Outcomes: []events.Outcome{{Kind: events.OutcomeState, At: day, Account: "default", Key: key, State: s, Until: until}}}
	}
	for _, tc := range []struct {
		name string
		recs []events.LogRecord
		want events.State
	}{
		{"called", []events.LogRecord{call("k", day)}, events.Working},
		{"settled", []events.LogRecord{call("k", day), state("k", events.Done, nil)}, events.Done},
		{"parked", []events.LogRecord{call("k", day), state("k", events.Parked, &until)}, events.Parked},
		{"reported late", []events.LogRecord{state("k", events.Parked, &until), call("k", day.Add(time.Minute))}, events.Parked},
		{"after its park", []events.LogRecord{state("k", events.Parked, &until), call("k", until.Add(time.Second))}, events.Working},
		{"failed", []events.LogRecord{state("k", events.Failed, nil), call("k", day)}, events.Failed},
	} {
		b := &batch{rows: map[string]*row{}, minutes: map[int64]*minuteRange{}, pulses: map[pulse]int{}, rules: map[ruleHour]*ruleSum{}, st: &store{classes: &classes{}}}
		for i := range tc.recs {
			b.take(&tc.recs[i])
		}
		if got := b.row("k", "default", day).class.state; got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}
