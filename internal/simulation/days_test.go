package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seedFlag = flag.Uint64("seed", 0, "first seed of the simulated days and hours; 0: a fresh one")
	daysFlag = flag.Int("days", 0, "how many whole days to simulate; 0: what the mode of the test says")
	runsFlag = flag.Int("runs", 0, "how many runs of two hours to simulate; 0: what the mode of the test says")
)

// amount is how much is run: -days and -runs, else by the mode, which is told by name.
func amount(t *testing.T) (days, runs int) {
	mode := "full"
	days, runs = 20, 200
	switch {
	case raceMode && testing.Short():
		mode, days, runs = "short with the race detector", 0, 2
	case raceMode:
		mode, days, runs = "race detector", 1, 10
	case testing.Short():
		mode, days, runs = "short", 2, 20
	}
	if *daysFlag > 0 {
		days = *daysFlag
	}
	if *runsFlag > 0 {
		runs = *runsFlag
	}
	t.Logf("mode %s: %d whole days, %d runs of two hours", mode, days, runs)
	return days, runs
}

// seeds gives n seeds from -seed on, or fresh ones.
func seeds(n int) []uint64 {
	first := *seedFlag
	if first == 0 {
		first = rand.Uint64N(1_000_000_000) + 1
	}
	list := make([]uint64, n)
	for i := range list {
		list[i] = first + uint64(i)
	}
	return list
}

// simulate runs a setup in a bubble of its own.
func simulate(t *testing.T, s Setup) *Report {
	t.Helper()
	var (
		report  *Report
		err     error
		started = time.Now()
	)
	synctest.Test(t, func(*testing.T) { report, err = Run(s) })
	if err != nil {
		t.Fatalf("seed %d: %v", s.Seed, err)
	}
	report.Took = time.Since(started)
	return report
}

// TestOneByOne: what other tools do is as bad as said, and the harness around both planners finds nothing wrong with it.
func TestOneByOne(t *testing.T) {
	t.Parallel()
	w := BlackFriday()
	r := simulate(t, Setup{Workload: w, Seed: seeds(1)[0], OneByOne: true, Load: Load{Live: 400, From: 10 * time.Hour, Until: 12 * time.Hour, Fill: 300, FillAt: 11 * time.Hour}})
	t.Log(r)
	for _, m := range r.Mistakes {
		t.Error(m)
	}
	if r.PerEvent() < 3 || r.PerEvent() > 3.5 {
		t.Errorf("%.3f calls per event", r.PerEvent())
	}
}

// TestDays runs whole days of the reference workload in rough weather.
func TestDays(t *testing.T) {
	days, _ := amount(t)
	w := BlackFriday()
	for i, seed := range seeds(days) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			r := simulate(t, Setup{Workload: w, Seed: seed, Load: w.Days[i%len(w.Days)], Forecast: 1, Weather: Storm(seed, 0, 24*time.Hour)})
			t.Log(r)
			for _, m := range r.Mistakes {
				t.Error(m)
			}
		})
	}
}
