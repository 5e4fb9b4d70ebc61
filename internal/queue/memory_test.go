package queue

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"

	"bridge/internal/events"
)

func TestJournal(t *testing.T) {
	q := openQueue(t, testOptions(t))
	ctx, key := context.Background(), events.KeyOf("default", "shop", "1")
	empty, err := q.LoadJournal(ctx, "default", key)
	if err != nil || empty.Plan != nil || empty.Marks.Steps != nil {
		t.Fatalf("nothing stored: %+v, %v", empty, err)
	}
	plan := events.Plan{Rules: []string{"r"}, Made: time.Now().UTC(), Who: events.Person{Email: "a@example.com"}, Steps: twoSteps}
	marks := events.Marks{Attempts: 2, NotBefore: time.Now().UTC(), Steps: map[string]events.Mark{twoSteps[0].ID: {State: events.StepDone, At: time.Now().UTC()}}}
	if err := q.SavePlan(ctx, "default", key, plan); err != nil {
		t.Fatal(err)
	}
	if err := q.SaveMarks(ctx, "default", key, marks); err != nil {
		t.Fatal(err)
	}
	got, err := q.LoadJournal(ctx, "default", key)
	if diff := cmp.Diff(events.Journal{Plan: &plan, Marks: marks}, got); diff != "" || err != nil {
		t.Errorf("journal (-saved +loaded): %s %v", diff, err)
	}
	long := q.ttl(t, journalKey(key))
	marks.Steps[twoSteps[1].ID] = events.Mark{State: events.StepDone}
	if err := q.SaveMarks(ctx, "default", key, marks); err != nil {
		t.Fatal(err)
	}
	got, err = q.LoadJournal(ctx, "default", key)
	if err != nil || len(got.Plan.Steps) != 0 || len(got.Marks.Steps) != 2 || !cmp.Equal(got.Plan.Rules, plan.Rules) {
		t.Errorf("when all is done the plan's steps go, the marks stay: %+v, %v", got, err)
	}
	if short := q.ttl(t, journalKey(key)); long <= q.opt.Retention || short != memoryDone {
		t.Errorf("kept for %s, and %s once done", long, short)
	}
}

// ttl reads for how long a key of the memory is kept.
func (q *Queue) ttl(t *testing.T, key string) time.Duration {
	t.Helper()
	msg, err := q.streams[streamMemory].GetLastMsgForSubject(context.Background(), subjectMemory+key)
	if err != nil {
		t.Fatal(err)
	}
	ttl, err := time.ParseDuration(msg.Header.Get(jetstream.MsgTTLHeader))
	if err != nil {
		t.Fatal(err)
	}
	return ttl
}

// TestBranchesCountAsDone: steps of the branch that did not apply leave nothing to do.
func TestBranchesCountAsDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		created := rapid.Bool().Draw(t, "created")
		var steps []events.Step
		marks := events.Marks{Created: created, Steps: map[string]events.Mark{}}
		want := true
		for i := range rapid.IntRange(1, 6).Draw(t, "steps") {
			s := events.Step{ID: fmt.Sprint(i), Only: rapid.SampledFrom([]events.Branch{events.Always, events.IfCreated, events.IfUpdated}).Draw(t, "branch")}
			state := rapid.SampledFrom([]events.StepState{"", events.StepIntended, events.StepDone, events.StepSkipped, events.StepFailed}).Draw(t, "state")
			if state != "" {
				marks.Steps[s.ID] = events.Mark{State: state}
			}
			applies := s.Only == events.Always || s.Only == events.IfCreated && created || s.Only == events.IfUpdated && !created
			want = want && (!applies || state == events.StepDone || state == events.StepSkipped)
			steps = append(steps, s)
		}
		if got := nothingLeft(steps, &marks); got != want {
			t.Fatalf("nothing left: %v, want %v", got, want)
		}
	})
}

// TestMemoryInGroups: writes that wait for each other share a batch, and one that is refused does not hurt the others.
func TestMemoryInGroups(t *testing.T) {
	t.Parallel()
	q := openQueue(t, testOptions(t))
	ctx := context.Background()
	const keys = 200
	stale := events.KeyOf("default", "shop", "stale")
	if err := q.SavePlan(ctx, "default", stale, events.Plan{Rules: []string{"first"}}); err != nil {
		t.Fatal(err)
	}
	former := q.memory.hold(stale, true, seal{}) // believes that nothing is stored
	defer q.memory.release(stale)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			key := events.KeyOf("default", "shop", fmt.Sprint(i))
			if err := q.SavePlan(ctx, "default", key, events.Plan{Rules: []string{"r"}, Steps: twoSteps}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		if err := q.SavePlan(ctx, "default", stale, events.Plan{Rules: []string{"second"}}); !lostRace(err) {
			t.Errorf("a former owner wrote: %v", err)
		}
	})
	all.Wait()
	if former.loaded {
		t.Error("what is stored is not read again after a lost race")
	}
	for i := range keys {
		j, err := q.LoadJournal(ctx, "default", events.KeyOf("default", "shop", fmt.Sprint(i)))
		if err != nil || j.Plan == nil || len(j.Plan.Steps) != 2 {
			t.Fatalf("%d: %+v, %v", i, j, err)
		}
	}
}

func TestTurnsAreGivenOnce(t *testing.T) {
	t.Parallel()
	opt := testOptions(t)
	q := openQueue(t, opt)
	ctx := context.Background()
	var mu sync.Mutex
	given := map[uint64]bool{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				n, err := q.Turn(ctx, "default", "owner/any text: it's hashed.>")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if given[n] {
					t.Errorf("%d was given twice", n)
				}
				given[n] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
	closeQueue(t, q)
	q = openQueue(t, opt)
	if n, err := q.Turn(ctx, "default", "owner/any text: it's hashed.>"); n != 40 || err != nil {
		t.Errorf("after a restart: %d, %v", n, err)
	}
	if n, err := q.Turn(ctx, "other", "owner/any text: it's hashed.>"); n != 0 || err != nil {
		t.Errorf("of another account: %d, %v", n, err)
	}
}

func TestContactMemory(t *testing.T) {
	q := openQueue(t, testOptions(t))
	ctx := context.Background()
	if _, known, err := q.Contact(ctx, "g", "abc"); known || err != nil {
		t.Fatalf("%v, %v", known, err)
	}
	if err := q.SaveContact(ctx, "g", "abc", []byte("v"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if v, known, err := q.Contact(ctx, "g", "abc"); string(v) != "v" || !known || err != nil {
		t.Errorf("%q, %v, %v", v, known, err)
	}
	if _, known, err := q.Contact(ctx, "other", "abc"); known || err != nil {
		t.Errorf("another group knows it: %v", err)
	}
}

// TestWhatAReplayDidIsRemembered: a replay may do what the first run did not (its rule was edited meanwhile). The next one,
// however late, must not do that again: it is remembered longer than the log could be asked, and the event replayed.
func TestWhatAReplayDidIsRemembered(t *testing.T) {
	never := false
	b, s := startStepper(t, testOptions(t), onStep("", events.Verdict{}, &never))
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" && !b.memory.inHand(e.Key()) })
	if ttl := b.ttl(t, journalKey(e.Key())); ttl != memoryDone {
		t.Errorf("what was done once is remembered for %s", ttl)
	}
	for job := range 2 {
		if ok, err := b.Replay(t.Context(), "default", e.Key(), 1, fmt.Sprint("job-", job)); !ok || err != nil {
			t.Fatalf("replay: %v, %v", ok, err)
		}
		eventually(t, "done again", func() bool {
			return len(b.groups.all()) == 2+job && b.index.last(e.Key()) == "done" && !b.memory.inHand(e.Key())
		})
		if ttl := b.ttl(t, journalKey(e.Key())); ttl <= b.opt.Retention {
			t.Errorf("what replay %d did is remembered for %s", job, ttl)
		}
	}
	if got := len(s.did); got != 2 {
		t.Errorf("%d steps, want 2", got)
	}
}
