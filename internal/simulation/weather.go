package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"bridge/internal/keap/sandbox"
)

// Weather is what a day has to put up with. The zero value is fair: rolling windows, no faults, nobody else.
type Weather struct {
	Keap   []sandbox.Settings // from the beginning: shape and phase of the windows, headers …
	Others []Burst
	Falls  []Fall
	Faults []Trouble
}

// Burst is what another integration spends at once.
type Burst struct {
	At    time.Duration // after midnight
	Calls int
}

// Trouble are faults of Keap for a while.
type Trouble struct {
	From, Until time.Duration
	Faults      []sandbox.Fault
}

// End is how a process ends.
type End string

// The ends. A restart closes in good order; a takeover finds the former owner alive and unaware.
const (
	Restart  End = "restart"
	Kill     End = "kill"
	Takeover End = "takeover"
)

// Fall is the end of a process; after a while another one begins.
type Fall struct {
	At   time.Duration
	End  End
	Away time.Duration // Restart, Kill: until the next process; Takeover: how long the former one goes on
}

// mild are faults that leave no doubt that a person has to resolve; harsh ones may.
var (
	mild = []string{"status:503", "reset", "slow:2s", "status:500", "html"}
	lost = []string{"truncated", "not_json", "timeout_after", "timeout_before"}
)

// Storm draws rough weather for the time between from and until: any shape of windows in any phase, headers or not,
// others that spend, faults, and ends of processes.
func Storm(seed uint64, from, until time.Duration) Weather {
	rng := rand.New(rand.NewPCG(seed, 0x73746f726d))
	moment := func() time.Duration { return from + time.Duration(rng.Int64N(int64(until-from))) }
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	w := Weather{Keap: []sandbox.Settings{{
		Quota:   &sandbox.Quota{Shape: pick("rolling", "calendar", "spike"), PhaseMS: new(rng.IntN(60_000))},
		Headers: pick("full", "full", "blank", "none"), On429: pick("same", "blank", "none"), Retry: new(rng.IntN(2) == 0),
		Throttle: pick("current", "apigee"), TagResults: pick("map", "objects", "entries", "keys"),
	}}}
	if rng.IntN(2) == 0 {
		for range 1 + rng.IntN(4) {
			w.Others = append(w.Others, Burst{At: moment(), Calls: 1 + rng.IntN(240)})
		}
	}
	for range rng.IntN(4) {
		end := []End{Restart, Kill, Takeover}[rng.IntN(3)]
		w.Falls = append(w.Falls, Fall{At: moment(), End: end, Away: time.Duration(rng.Int64N(int64(time.Second)))})
	}
	for range rng.IntN(3) {
		begin := moment()
		t := Trouble{From: begin, Until: begin + time.Duration(rng.Int64N(int64(20*time.Minute)))}
		for _, kind := range []string{pick(mild...), pick(mild...), pick(lost...)} {
			t.Faults = append(t.Faults, sandbox.Fault{Match: sandbox.Match{Rate: 0.1 * rng.Float64()}, Fault: kind})
		}
		w.Faults = append(w.Faults, t)
	}
	slices.SortFunc(w.Falls, func(a, b Fall) int { return int(a.At - b.At) })
	return w
}

// told tells whether every answer of Keap, refusals too, says how the windows stand.
func (w *Weather) told() bool {
	for _, s := range w.Keap {
		if s.Headers != "" && s.Headers != "full" || s.On429 != "" && s.On429 != "same" && s.On429 != "full" {
			return false
		}
	}
	return true
}

// happening is one thing that the weather does.
type happening struct {
	at time.Duration
	do func() error
}

func (r *trial) happenings() []happening {
	var list []happening
	for _, b := range r.Weather.Others {
		list = append(list, happening{b.At, func() error { return r.keap.Elsewhere(sandbox.Elsewhere{Calls: b.Calls}) }})
	}
	for _, t := range r.Weather.Faults {
		list = append(list,
			happening{t.From, func() error { return r.keap.SetFaults(t.Faults) }},
			happening{t.Until, func() error { return r.keap.SetFaults(nil) }})
	}
	for _, f := range r.Weather.Falls {
		list = append(list, happening{f.At, func() error { return r.fall(f) }})
	}
	slices.SortStableFunc(list, func(a, b happening) int { return int(a.at - b.at) })
	return list
}

// storm makes the weather until stop.
func (r *trial) storm(stop <-chan struct{}) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for _, h := range r.happenings() {
		timer.Reset(max(0, time.Until(r.day.Begins.Add(h.at))))
		select {
		case <-stop:
			return nil
		case <-timer.C:
		}
		if err := h.do(); err != nil {
			return fmt.Errorf("weather at %s: %w", h.at, err)
		}
	}
	return nil
}

// fall ends the process and begins the next.
func (r *trial) fall(f Fall) error {
	old := r.now.Load()
	switch f.End {
	case Restart:
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := old.Close(ctx); err != nil {
			return err
		}
		time.Sleep(f.Away)
	case Kill:
		old.kill()
		time.Sleep(f.Away)
	case Takeover:
		old.lose(f.Away)
	}
	return r.open()
}
