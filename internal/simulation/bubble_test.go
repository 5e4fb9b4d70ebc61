package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"
)

// Each run has a process of its own, the test binary once more, with one processor: there a seed repeats the order in
// which goroutines run, runs side by side use all processors all the same, and a benchmark can have a bubble, which
// only a test may make.
const (
	setupVariable = "SIMULATION_SETUP"     // the run's Setup, as JSON
	answerMark    = "\nSIMULATION_REPORT " // before its Report, as JSON, on standard output
)

// simulate runs a setup.
func simulate(tb testing.TB, s Setup) *Report {
	tb.Helper()
	r, err := inProcess(tb.Context(), s)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// inProcess runs a setup in a process of its own.
func inProcess(ctx context.Context, s Setup) (*Report, error) {
	setup, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	run := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBubble$", "-test.timeout=10m")
	run.Env = append(os.Environ(), setupVariable+"="+string(setup), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOGC=400")
	out, err := run.CombinedOutput()
	_, answer, found := bytes.Cut(out, []byte(answerMark))
	if err != nil || !found {
		return nil, fmt.Errorf("seed %d, %s: %w\n%s", s.Seed, s.Load, err, out)
	}
	var r Report
	if err := json.NewDecoder(bytes.NewReader(answer)).Decode(&r); err != nil {
		return nil, fmt.Errorf("seed %d, %s: %w", s.Seed, s.Load, err)
	}
	r.Took = time.Since(started)
	return &r, nil
}

// TestBubble runs what its parent process asks for; by itself, an hour of the morning.
func TestBubble(t *testing.T) {
	s := Setup{Seed: seeds(1)[0], Forecast: 1, Load: Load{Live: 500, From: 9 * time.Hour, Until: 10 * time.Hour}}
	asked := os.Getenv(setupVariable)
	if asked != "" {
		if err := json.Unmarshal([]byte(asked), &s); err != nil {
			t.Fatal(err)
		}
	}
	var (
		r   *Report
		err error
	)
	synctest.Test(t, func(*testing.T) { r, err = Run(s) })
	if err != nil {
		t.Fatal(err)
	}
	if asked == "" {
		t.Log(r)
		for _, m := range r.Mistakes {
			t.Error(m)
		}
		return
	}
	answer, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.WriteString(answerMark + string(answer) + "\n"); err != nil {
		t.Fatal(err)
	}
}
