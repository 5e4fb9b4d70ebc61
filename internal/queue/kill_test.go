package queue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
)

// childEnv makes the test binary the process that is killed: its value is the data directory. witnessEnv names the
// directory of its witness.
const (
	childEnv   = "QUEUE_TEST_CHILD"
	witnessEnv = "QUEUE_TEST_WITNESS"
)

// witness writes what happened where a kill cannot take it back: to a file, a line at a time.
type witness struct {
	mu sync.Mutex
	f  *os.File
}

func openWitness(dir string) (*witness, error) {
	f, err := os.OpenFile(filepath.Join(dir, "witness"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &witness{f: f}, err
}

func (w *witness) say(words ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := fmt.Fprintln(w.f, words...); err != nil {
		panic(err)
	}
}

// child accepts, routes and works events until it is killed.
func child(dir string) int {
	if err := untilKilled(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func untilKilled(dir string) error {
	w, err := openWitness(os.Getenv(witnessEnv))
	if err != nil {
		return err
	}
	ctx := context.Background()
	q, err := Open(ctx, Options{DataDir: dir, ParseIngest: parseTestIngest})
	if err != nil {
		return err
	}
	if err := q.Start(ctx, &testGroups{decide: witnessed(q, w)}, &testFront{}, followIndex(q, events.Position{})); err != nil {
		return err
	}
	w.say("up", os.Getpid())
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				e := event(fmt.Sprintf("%d-%d-%d", os.Getpid(), c, i), fmt.Sprintf("c%d@example.com", c))
				if _, err := q.Accept(ctx, []events.Event{e}); err != nil {
					w.say("refused", err)
					return
				}
				w.say("accepted", e.Key())
			}
		})
	}
	all.Wait()
	return errors.New("accepting ended")
}

// witnessed is a worker with one step: its effect is witnessed, and that it was marked.
func witnessed(q *Queue, w *witness) func(events.Delivery) (events.Verdict, bool) {
	retry := events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait}
	plan := events.Plan{Rules: []string{"r"}, Steps: twoSteps[:1]}
	return func(d events.Delivery) (events.Verdict, bool) {
		ctx, key := context.Background(), d.Event.Key()
		if !d.First {
			j, err := q.LoadJournal(ctx, d.Event.Account, key)
			if err != nil {
				return retry, true
			}
			if j.Marks.Steps[plan.Steps[0].ID].State == events.StepDone {
				return events.Verdict{Kind: events.VerdictDone}, true
			}
			if j.Plan == nil {
				err = q.SavePlan(ctx, d.Event.Account, key, plan)
			}
			if err != nil {
				return retry, true
			}
		} else if err := q.SavePlan(ctx, d.Event.Account, key, plan); err != nil {
			return retry, true
		}
		w.say("effect", key)
		marks := events.Marks{Steps: map[string]events.Mark{plan.Steps[0].ID: {State: events.StepDone}}}
		if err := q.SaveMarks(ctx, d.Event.Account, key, marks); err != nil {
			return retry, true
		}
		w.say("marked", key)
		return events.Verdict{Kind: events.VerdictDone}, true
	}
}

// TestKill kills the process at random moments under load. What it answered for is there afterwards, once, and no
// step that was recorded as done has run again.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 4
	if testing.Short() {
		kills = 2
	}
	for range kills {
		killOne(t, dir, 50*time.Millisecond+time.Duration(random.IntN(350))*time.Millisecond)
	}
	checkWitness(t, dir, dir)
}

// checkWitness opens what killed processes left behind and holds it against what the witness says.
func checkWitness(t *testing.T, dir, witness string) {
	t.Helper()
	w, err := openWitness(witness)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, Options{DataDir: dir, Logger: testLog(t), ParseIngest: parseTestIngest})
	b := &bench{Queue: q, groups: &testGroups{decide: witnessed(q, w)}, front: &testFront{}}
	b.start(t)
	accepted, effects, _ := readWitness(t, witness)
	t.Logf("%d accepted, %d effects", len(accepted), effects)
	if len(accepted) == 0 {
		t.Fatal("nothing was accepted")
	}
	eventually(t, "all that was accepted is done", func() bool {
		for key := range accepted {
			if b.index.last(key) != "done" {
				return false
			}
		}
		return true
	})
	if _, _, repeated := readWitness(t, witness); len(repeated) > 0 {
		t.Errorf("steps that were recorded as done ran again: %v", repeated)
	}
	b.index.mu.Lock()
	defer b.index.mu.Unlock()
	seen := map[string]uint64{}
	for _, r := range b.index.records {
		if r.Event == nil {
			continue
		}
		if first, ok := seen[r.Event.Key()]; ok {
			t.Errorf("event %s is in the log at %d and %d", r.Event.ID, first, r.Position.Events)
		}
		seen[r.Event.Key()] = r.Position.Events
	}
}

// killOne starts a child and kills it after a while of work.
func killOne(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	cmd, stderr := startChild(t, dir, dir)
	<-time.After(after)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself: %v, %s", err, stderr.String())
	}
}

// startChild returns when the child is at work.
func startChild(t *testing.T, dir, witness string) (cmd *exec.Cmd, stderr *strings.Builder) {
	t.Helper()
	cmd, stderr = exec.Command(os.Args[0]), &strings.Builder{}
	cmd.Env = append(os.Environ(), childEnv+"="+dir, witnessEnv+"="+witness)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("child %d: %s", cmd.Process.Pid, stderr)
		}
	})
	up := fmt.Sprint("up ", cmd.Process.Pid)
	eventually(t, "the child is up", func() bool {
		body, err := os.ReadFile(filepath.Join(witness, "witness"))
		return err == nil && strings.Contains(string(body), up)
	})
	return cmd, stderr
}

// readWitness tells what was accepted, how many effects there were, and which came after they had been marked.
func readWitness(t *testing.T, dir string) (accepted map[string]bool, effects int, repeated []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "witness"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	accepted, marked := map[string]bool{}, map[string]bool{}
	for s := bufio.NewScanner(f); s.Scan(); {
		what, key, _ := strings.Cut(s.Text(), " ")
		switch what {
		case "accepted":
			accepted[key] = true
		case "effect":
			effects++
			if marked[key] {
				repeated = append(repeated, key)
			}
		case "marked":
			marked[key] = true
		case "refused":
			t.Errorf("refused: %s", key)
		}
	}
	return accepted, effects, repeated
}
