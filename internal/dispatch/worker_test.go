package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/calls"
	"bridge/internal/events"
	"bridge/internal/keap"
)

// stage is a fake of everything around a Worker.
type stage struct {
	plan     events.Plan
	planErr  error
	plans    int
	journals map[string][]byte // as stored: JSON, so that nothing is shared by accident
	saves    int
	turns    map[string]uint64
	saveErr  error
	later    time.Duration // how late it is by now: a minute passes with each handling

	asked   []string // "goal:x", or "tag:a+tag:b" for a group
	answer  func(s events.Step) calls.Result
	finding calls.Finding
	unread  error // of reading back
	checks  int
	crash   func(s events.Step) bool // after Intend, before the answer: the process dies
}

func newStage(steps ...events.Step) *stage {
	for i := range steps {
		steps[i].Rule = "rule"
		steps[i].ID = "rule/" + string(steps[i].Do) + ":" + steps[i].Target + "#1"
	}
	return &stage{
		plan:     events.Plan{Rules: []string{"rule"}, Who: events.Person{Email: "ann@example.com"}, Steps: steps},
		journals: map[string][]byte{}, turns: map[string]uint64{},
		answer: func(s events.Step) calls.Result { return calls.Result{Step: s.ID, Calls: 1, Status: 200} },
	}
}

func (s *stage) Plan(*events.Event, time.Time) (events.Plan, error) {
	s.plans++
	return s.plan, s.planErr
}

func (s *stage) LoadJournal(_ context.Context, _, key string) (j events.Journal, err error) {
	if b := s.journals[key]; b != nil {
		err = json.Unmarshal(b, &j)
	}
	return j, err
}

func (s *stage) store(key string, change func(*events.Journal)) error {
	if s.saveErr != nil {
		return s.saveErr
	}
	j, err := s.LoadJournal(context.Background(), "", key)
	if err != nil {
		return err
	}
	change(&j)
	s.saves++
	s.journals[key], err = json.Marshal(j)
	return err
}

func (s *stage) SavePlan(_ context.Context, _, key string, p events.Plan) error {
	return s.store(key, func(j *events.Journal) { j.Plan = &p })
}

func (s *stage) SaveMarks(_ context.Context, _, key string, m events.Marks) error {
	return s.store(key, func(j *events.Journal) { j.Marks = m })
}

func (s *stage) Turn(_ context.Context, _, name string) (uint64, error) {
	s.turns[name]++
	return s.turns[name] - 1, nil
}

type crashed struct{}

func (s *stage) Do(ctx context.Context, ask calls.Ask) []calls.Result {
	var names []string
	for _, st := range ask.Steps {
		names = append(names, string(st.Do)+":"+st.Target)
	}
	s.asked = append(s.asked, strings.Join(names, "+"))
	if err := ask.Intend(ctx, ask.Steps); err != nil {
		return []calls.Result{{Err: err}}
	}
	var out []calls.Result
	for _, st := range ask.Steps {
		if s.crash != nil && s.crash(st) {
			panic(crashed{})
		}
		out = append(out, s.answer(st))
	}
	return out
}

func (s *stage) Check(context.Context, calls.Ask) (calls.Finding, error) {
	s.checks++
	return s.finding, s.unread
}

// handle runs the worker once; a crash is a verdict of its own.
func (s *stage) handle(t *testing.T, change ...func(*events.Delivery)) (v events.Verdict, died bool) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(crashed); !ok {
				panic(r)
			}
			died = true
		}
	}()
	w := NewWorker(s, s, s, quiet)
	w.jitter = func() float64 { return 0.5 }
	later := s.later
	w.now = func() time.Time { return time.Now().Add(later) }
	s.later += time.Minute
	d := events.Delivery{Event: events.Event{ID: "1", Account: "default", Source: "shop"}}
	for _, c := range change {
		c(&d)
	}
	return w.Handle(t.Context(), d), false
}

func replay(job string) func(*events.Delivery) { return func(d *events.Delivery) { d.Replay = job } }

func step(do events.StepKind, target string) events.Step { return events.Step{Do: do, Target: target} }

func TestWorkerRunsAPlan(t *testing.T) {
	created, updated := step(events.DoTag, "New"), step(events.DoActionSet, "7")
	created.Only, updated.Only = events.IfCreated, events.IfUpdated
	owner := step(events.DoOwner, "")
	owner.Only, owner.Owner = events.IfCreated, &events.OwnerStep{Users: []string{"1", "5", "9"}}
	s := newStage(step(events.DoContact, ""), owner, step(events.DoTag, "a"), step(events.DoUntag, "b"), created, updated, step(events.DoGoal, "shop/x"))
	var owners []string
	s.answer = func(st events.Step) calls.Result {
		r := calls.Result{Step: st.ID, Calls: 1, Status: 200}
		switch st.Do {
		case events.DoContact:
			r.Contact, r.Created = "42", true
		case events.DoOwner:
			owners = append(owners, st.Owner.Users...)
		}
		return r
	}
	v, _ := s.handle(t)
	if v.State() != events.Done || v.Reason != events.NoReason {
		t.Fatalf("verdict %+v", v)
	}
	want := []string{"contact:", "owner:", "tag:a+untag:b+tag:New", "goal:shop/x"}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1"}, owners); diff != "" {
		t.Errorf("owners: %s", diff)
	}
	var states []string
	for _, r := range v.Steps {
		states = append(states, string(r.State))
	}
	if diff := cmp.Diff([]string{"done", "done", "done", "done", "done", "skipped", "done"}, states); diff != "" {
		t.Errorf("states: %s", diff)
	}
	s.asked = nil
	if v, _ := s.handle(t); v.State() != events.Done || len(s.asked) != 0 {
		t.Errorf("handled again: %v, asked %v", v.State(), s.asked)
	}
}

// TestNoStepTwice kills the worker at every step of a plan, in turn, and lets it resume.
func TestNoStepTwice(t *testing.T) {
	kinds := []events.StepKind{events.DoContact, events.DoTag, events.DoNote, events.DoGoal, events.DoTag, events.DoOrder}
	for at, kind := range kinds {
		var steps []events.Step
		for i, k := range kinds {
			steps = append(steps, step(k, string(rune('a'+i))))
		}
		s := newStage(steps...)
		s.finding = calls.NotHappened
		target := string(rune('a' + at))
		died := false
		s.crash = func(st events.Step) bool {
			now := !died && st.Target == target
			died = died || now
			return now
		}
		if _, dead := s.handle(t); !dead {
			t.Fatalf("did not die at %s", kind)
		}
		v, _ := s.handle(t)
		counts := map[string]int{}
		for _, a := range s.asked {
			counts[a]++
		}
		for name, n := range counts {
			want := 1
			if strings.HasSuffix(name, ":"+target) {
				want = 2 // safe to repeat, or read back and found not to have happened
			}
			if n != want {
				t.Errorf("killed at %s: %s asked %d times, want %d", kind, name, n, want)
			}
		}
		if v.State() != events.Done || unsafe(kind) != (s.checks == 1) {
			t.Errorf("killed at %s: %s after %d checks", kind, v.State(), s.checks)
		}
	}
}

func TestIntendedStepThatKeapCannotTell(t *testing.T) {
	s := newStage(step(events.DoGoal, "shop/x"), step(events.DoTag, "a"))
	died := false
	s.crash = func(events.Step) bool { now := !died; died = true; return now }
	s.handle(t)
	v, _ := s.handle(t)
	if v.State() != events.InDoubt || v.Step != "rule/goal:shop/x#1" {
		t.Fatalf("verdict %+v", v)
	}
	if got := len(s.asked); got != 1 {
		t.Errorf("asked %d times: %v", got, s.asked)
	}
	if v, _ := s.handle(t, replay("job")); v.State() != events.InDoubt || len(s.asked) != 1 {
		t.Errorf("a replay without an answer to the doubt: %s, asked %v", v.State(), s.asked)
	}
	s.plan.Steps[0].Repeat = true
	s2 := newStage(s.plan.Steps...)
	died = false
	s2.crash = s.crash
	s2.handle(t)
	if v, _ := s2.handle(t); v.State() != events.Done {
		t.Errorf("on_doubt: repeat: %s", v.State())
	}
}

func TestLostAnswerIsReadBack(t *testing.T) {
	for finding, want := range map[calls.Finding]int{calls.Happened: 1, calls.NotHappened: 2} {
		s := newStage(step(events.DoNote, "n"))
		s.finding = finding
		lost := false
		s.answer = func(st events.Step) calls.Result {
			if !lost {
				lost = true
				return calls.Result{Sent: true, Err: &keap.Error{Kind: keap.KindTimeout, Sent: true, Message: "no answer"}}
			}
			return calls.Result{Calls: 1}
		}
		v, _ := s.handle(t)
		if v.Kind != events.VerdictRetry || time.Until(v.Until) < settleDelay-time.Second {
			t.Fatalf("first: %+v", v)
		}
		if v, _ := s.handle(t); v.State() != events.Done || len(s.asked) != want {
			t.Errorf("%v: %s after asking %d times, want %d", finding, v.State(), len(s.asked), want)
		}
	}
}

// TestReadingBackEnds: what can never be read back is a person's in the end, and the waits grow until then.
func TestReadingBackEnds(t *testing.T) {
	s := newStage(step(events.DoNote, "n"))
	s.answer = func(events.Step) calls.Result {
		return calls.Result{Sent: true, Err: &keap.Error{Kind: keap.KindTimeout, Sent: true, Message: "no answer"}}
	}
	s.unread = errors.New("broken")
	var waits time.Duration
	for n := 1; n < maxAttempts; n++ {
		v, _ := s.handle(t)
		if v.Kind != events.VerdictRetry || v.Attempt != n {
			t.Fatalf("attempt %d: %+v", n, v)
		}
		waits += time.Until(v.Until)
	}
	if waits < time.Hour {
		t.Errorf("given up after %v", waits)
	}
	if v, _ := s.handle(t); v.State() != events.InDoubt || len(s.asked) != 1 {
		t.Errorf("at the end %s after asking %d times", v.State(), len(s.asked))
	}
}

func TestAttemptsEnd(t *testing.T) {
	s := newStage(step(events.DoTag, "a"))
	s.answer = func(events.Step) calls.Result {
		return calls.Result{Status: 500, Err: &keap.Error{Kind: keap.KindServer, Status: 500, Sent: true, Message: "broken"}}
	}
	for n := 1; n < maxAttempts; n++ {
		if v, _ := s.handle(t); v.Kind != events.VerdictRetry || v.Attempt != n {
			t.Fatalf("attempt %d: %+v", n, v)
		}
	}
	v, _ := s.handle(t)
	if v.State() != events.Failed || v.Reason != events.AttemptsSpent {
		t.Fatalf("last: %+v", v)
	}
	s.answer = func(events.Step) calls.Result {
		return calls.Result{Err: &calls.Closed{Until: time.Now().Add(time.Hour), Reason: events.QuotaDay}}
	}
	if v, _ := s.handle(t, replay("job1")); v.Kind != events.VerdictSnooze || v.Attempt != 0 {
		t.Errorf("a replay begins anew and waiting burns nothing: %+v", v)
	}
}

func TestReplayPlansAgainAndSkipsWhatIsDone(t *testing.T) {
	s := newStage(step(events.DoTag, "a"), step(events.DoGoal, "bad"))
	s.answer = func(st events.Step) calls.Result {
		if st.Target == "bad" {
			return calls.Result{Err: &calls.Invalid{Reason: events.TargetUnknown, Detail: "no such goal"}}
		}
		return calls.Result{Calls: 1}
	}
	if v, _ := s.handle(t); v.State() != events.Failed || v.Reason != events.TargetUnknown {
		t.Fatalf("verdict %+v", v)
	}
	s.plan = newStage(step(events.DoTag, "a"), step(events.DoGoal, "good"), step(events.DoTag, "c")).plan
	s.asked = nil
	if v, _ := s.handle(t, replay("job1")); v.State() != events.Done {
		t.Fatalf("replay: %+v", v)
	}
	if diff := cmp.Diff([]string{"goal:good", "tag:c"}, s.asked); diff != "" {
		t.Errorf("replay asked for: %s", diff)
	}
	if s.plans != 2 {
		t.Errorf("planned %d times, want 2", s.plans)
	}
}

func TestOnePoisonedTagOfAGroup(t *testing.T) {
	s := newStage(step(events.DoTag, "a"), step(events.DoTag, "poison"), step(events.DoTag, "c"))
	s.answer = func(st events.Step) calls.Result {
		if st.Target == "poison" {
			return calls.Result{Err: &calls.Invalid{Reason: events.TagUnknown, Detail: "x"}}
		}
		return calls.Result{Calls: 1}
	}
	v, _ := s.handle(t)
	if v.State() != events.Failed {
		t.Fatalf("verdict %+v", v)
	}
	j, err := s.LoadJournal(t.Context(), "", slices.Collect(maps.Keys(s.journals))[0])
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]events.StepState{"a": events.StepDone, "poison": events.StepFailed, "c": events.StepDone} {
		if got := j.Marks.Steps["rule/tag:"+target+"#1"].State; got != want {
			t.Errorf("%s is %s, want %s", target, got, want)
		}
	}
}

func TestGivenBackAfterItsIntentionIsNoDoubt(t *testing.T) {
	s := newStage(step(events.DoActionSet, "7"))
	s.answer = func(events.Step) calls.Result {
		return calls.Result{Err: &calls.Closed{Until: time.Now().Add(time.Minute), Reason: events.Brownout}, Calls: 1}
	}
	if v, _ := s.handle(t); v.Kind != events.VerdictSnooze || v.Reason != events.Brownout {
		t.Fatalf("verdict %+v", v)
	}
	s.answer = func(events.Step) calls.Result { return calls.Result{Calls: 1} }
	if v, _ := s.handle(t); v.State() != events.Done || s.checks != 0 {
		t.Errorf("verdict %+v, read back %d times", v, s.checks)
	}
}

func TestWithoutMemoryNothingIsSent(t *testing.T) {
	s := newStage(step(events.DoGoal, "x"))
	s.saveErr = errors.New("disk full")
	v, _ := s.handle(t)
	if v.Kind != events.VerdictSnooze || len(s.asked) != 0 {
		t.Errorf("verdict %+v, asked %v", v, s.asked)
	}
}

func TestEventsThatNeedNothingOrNobody(t *testing.T) {
	s := newStage()
	s.plan.Rules = nil
	if v, _ := s.handle(t); v.State() != events.Done || v.Reason != events.NoRule || s.saves != 0 {
		t.Errorf("no rule: %+v, %d writes", v, s.saves)
	}
	s = newStage(step(events.DoTag, "a"))
	s.plan.Who = events.Person{ExternalID: "7"}
	if v, _ := s.handle(t); v.State() != events.Failed || v.Reason != events.ContactMissing {
		t.Errorf("nobody: %+v", v)
	}
}
