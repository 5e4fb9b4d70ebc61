package ops_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/test/office"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wait gives the job when it has ended.
func wait(t *testing.T, d *ops.Desk, j ops.Job) ops.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		if j.Done() {
			return j
		}
		runtime.Gosched()
		var err error
		if j, err = d.Job(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%+v does not end", j)
	return j
}

func states(t *testing.T, o *office.Office) map[events.State]int {
	t.Helper()
	o.CaughtUp(t)
	tallies, err := o.Index.Tallies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[events.State]int{}
	for _, y := range tallies {
		got[y.State] += y.Events
	}
	return got
}

// isKind checks an error for people.
func isKind(t *testing.T, err error, want ops.ErrorKind, text string) {
	t.Helper()
	var e *ops.Error
	if !errors.As(err, &e) || e.Kind != want || !strings.Contains(e.Error(), text) {
		t.Errorf("error %v; want kind %d with %q", err, want, text)
	}
}

// TestReplayPreview holds that a preview lists the exact calls, leaves out what is done, and changes nothing.
func TestReplayPreview(t *testing.T) {
	o := office.New(t)
	e := o.Fail(1, "ada@example.com")
	o.CaughtUp(t)
	j, err := o.Desk.Replay(t.Context(), "ada", ops.Selection{IDs: []string{e.ID}}, true)
	if err != nil {
		t.Fatal(err)
	}
	if j.Events != 1 || j.Calls != 2 || j.Skipped != 1 || j.Finish == nil || !j.DryRun {
		t.Errorf("preview: %+v", j)
	}
	want := []ops.Sample{{
		Key: e.Key(), ID: e.ID, Account: "default", Type: "order.paid", State: events.Failed, Rules: []string{"purchase"},
		Calls: []events.Call{
			{Do: events.DoTag, Operation: "tags.apply", Subjects: []string{"Customer", "Bought HOODIE"}},
			{Do: events.DoGoal, Operation: "goals.achieve", Subjects: []string{"shop/bought"}},
		},
		Lookups: []events.Call{
			{Do: events.DoTag, Operation: "tags.list", Subjects: []string{"Customer"}}, {Do: events.DoTag, Operation: "tags.create", Subjects: []string{"Customer"}},
			{Do: events.DoTag, Operation: "tags.list", Subjects: []string{"Bought HOODIE"}}, {Do: events.DoTag, Operation: "tags.create", Subjects: []string{"Bought HOODIE"}},
		},
		Skipped: []string{"purchase/contact#1"},
	}}
	if diff := cmp.Diff(want, j.Samples); diff != "" {
		t.Errorf("samples (-want +got):\n%s", diff)
	}
	if got := states(t, o); got[events.Failed] != 1 {
		t.Errorf("a preview changed states: %v", got)
	}
	if lines, err := o.Index.Audit(t.Context(), "", 10); err != nil || len(lines) != 0 {
		t.Errorf("a preview is in the audit: %v, %v", lines, err)
	}
}

// TestReplayFilter replays a group with more than one page, and only what the filter chooses.
func TestReplayFilter(t *testing.T) {
	o := office.New(t)
	for n := range 1200 {
		o.Fail(n, "ada@example.com")
	}
	o.Succeed(office.Order(5000, "default", "shop", "bob@example.com"), events.Normal)
	o.Doubt(5001, "carol@example.com")
	o.CaughtUp(t)
	j, err := o.Desk.Replay(t.Context(), "ada", ops.Selection{Filter: &events.Filter{Account: "default"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	j = wait(t, o.Desk, j)
	if j.Total != 1200 || j.Events != 1200 || j.Passed != 0 || j.Calls != 2400 || j.Lookups != 4 || j.Skipped != 1200 || j.Error != "" {
		t.Errorf("job: %+v", j)
	}
	if diff := cmp.Diff(map[events.State]int{events.Waiting: 1200, events.Done: 1, events.InDoubt: 1}, states(t, o)); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	lines, err := o.Index.Audit(t.Context(), j.ID, 10)
	if err != nil || len(lines) != 2 || lines[1].Who != "ada" || lines[1].Action != "replay" || lines[1].Target != "account=default state=failed" || lines[0].Detail != "1200 events, 0 left alone" {
		t.Errorf("audit: %+v, %v", lines, err)
	}
}

// TestReplayLeavesAlone holds that events which are being worked, in doubt or erased are not replayed.
func TestReplayLeavesAlone(t *testing.T) {
	o := office.New(t)
	waiting := office.Order(1, "default", "shop", "ada@example.com")
	o.Accept(waiting, events.Normal)
	doubt := o.Doubt(2, "ada@example.com")
	gone := o.Fail(3, "bob@example.com")
	o.CaughtUp(t)
	if n, err := o.Desk.Erase(t.Context(), "ada", " BOB@example.com"); err != nil || n != 1 {
		t.Fatalf("erased %d, %v", n, err)
	}
	o.CaughtUp(t)
	j, err := o.Desk.Replay(t.Context(), "ada", ops.Selection{IDs: []string{waiting.ID, doubt.ID, gone.Key()}}, false)
	if err != nil || j.Events != 0 || j.Passed != 3 {
		t.Errorf("job: %+v, %v", j, err)
	}
	lines, err := o.Index.Audit(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", lines); strings.Contains(strings.ToLower(text), "bob@") {
		t.Errorf("the audit names an erased person: %s", text)
	}
}

func TestDiscardAndUndo(t *testing.T) {
	o := office.New(t)
	for n := range 10 {
		o.Fail(n, "ada@example.com")
	}
	o.Succeed(office.Order(100, "default", "shop", "bob@example.com"), events.Normal)
	o.CaughtUp(t)
	s := ops.Selection{Filter: &events.Filter{State: events.Failed, Reason: events.TagUnknown}}
	preview, err := o.Desk.Discard(t.Context(), "ada", s, true)
	if err != nil || preview.Events != 10 {
		t.Errorf("preview: %+v, %v", preview, err)
	}
	j, err := o.Desk.Discard(t.Context(), "ada", s, false)
	if err != nil || j.Events != 10 {
		t.Fatalf("discard: %+v, %v", j, err)
	}
	if diff := cmp.Diff(map[events.State]int{events.StateDiscarded: 10, events.Done: 1}, states(t, o)); diff != "" {
		t.Errorf("discarded (-want +got):\n%s", diff)
	}
	undone, err := o.Desk.Undo(t.Context(), "bob", j.ID)
	if err != nil || undone.Events != 10 || undone.Kind != ops.KindUndo {
		t.Fatalf("undo: %+v, %v", undone, err)
	}
	if diff := cmp.Diff(map[events.State]int{events.Failed: 10, events.Done: 1}, states(t, o)); diff != "" {
		t.Errorf("undone (-want +got):\n%s", diff)
	}
	if again, err := o.Desk.Undo(t.Context(), "bob", j.ID); err != nil || again.Events != 0 {
		t.Errorf("undone twice: %+v, %v", again, err)
	}
	_, err = o.Desk.Undo(t.Context(), "bob", undone.ID)
	isKind(t, err, ops.Conflict, "is no discard")
	_, err = o.Desk.Undo(t.Context(), "bob", "d0")
	isKind(t, err, ops.NotFound, "no job")
}

// TestUndoTooLate holds that a discard of 31 days ago stays.
func TestUndoTooLate(t *testing.T) {
	o := office.New(t)
	o.Settle(events.Outcome{Kind: events.OutcomeAudit, At: time.Now().Add(-31 * 24 * time.Hour), Who: "ada", Action: ops.KindDiscard, Job: "d-old"})
	o.CaughtUp(t)
	_, err := o.Desk.Undo(t.Context(), "bob", "d-old")
	isKind(t, err, ops.Conflict, "30 days")
}

// TestJobOfAnotherProcess holds that the audit and the history tell of jobs after a restart.
func TestJobOfAnotherProcess(t *testing.T) {
	o := office.New(t)
	e := o.Fail(1, "ada@example.com")
	o.CaughtUp(t)
	j, err := o.Desk.Discard(t.Context(), "ada", ops.Selection{IDs: []string{e.ID}}, false)
	if err != nil {
		t.Fatal(err)
	}
	o.CaughtUp(t)
	other := ops.New(ops.Options{Index: o.Index, Records: o.Index, Archive: o})
	defer other.Close()
	got, err := other.Job(t.Context(), j.ID)
	if err != nil || got.Kind != ops.KindDiscard || got.Who != "ada" || got.What != e.ID || got.Events != 1 || !got.Done() || got.Error != "" {
		t.Errorf("job: %+v, %v", got, err)
	}
	lines, err := o.Index.Audit(t.Context(), j.ID, 10)
	if err != nil || len(lines) != 2 || lines[0].Action != "discard ended" || lines[0].Detail != "1 events, 0 left alone" {
		t.Errorf("audit: %+v, %v", lines, err)
	}
}

// TestJobThatWasCutOff holds that nobody waits for a job that has no process any more, and that people are told.
func TestJobThatWasCutOff(t *testing.T) {
	o := office.New(t)
	o.Settle(events.Outcome{Kind: events.OutcomeAudit, At: office.Start, Who: "ada", Action: ops.KindReplay, Job: "r-cut", Target: "state=failed"})
	o.Settle(events.Outcome{Kind: events.OutcomeAudit, At: office.Start, Who: "ada", Action: ops.KindReplay, Job: "r-stop", Target: "state=failed"})
	o.Settle(events.Outcome{Kind: events.OutcomeAudit, At: office.Start, Who: "ada", Action: "replay stopped", Job: "r-stop", Detail: "12 events, 0 left alone: stopped with the bridge"})
	o.CaughtUp(t)
	for id, want := range map[string]string{"r-cut": "cut off", "r-stop": "after 12 events"} {
		got, err := o.Desk.Job(t.Context(), id)
		if err != nil || !got.Done() || !strings.Contains(got.Error, want) || !strings.Contains(got.Error, "again for the rest") {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
}

// TestJobStopsWithTheBridge holds that a job says how far it came when the bridge stops.
func TestJobStopsWithTheBridge(t *testing.T) {
	o := office.New(t)
	for n := range 50 {
		o.Fail(n, "ada@example.com")
	}
	o.CaughtUp(t)
	work := &slow{Work: o, begun: make(chan struct{}), goOn: make(chan struct{})}
	desk := ops.New(ops.Options{Index: o.Index, Records: o.Index, Archive: o, Work: work, Planner: o, Live: o})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-work.begun; cancel() }() // nobody waits for the job any longer
	j, err := desk.Replay(ctx, "ada", ops.Selection{Filter: &events.Filter{State: events.Failed}}, false)
	if err != nil || j.Done() {
		t.Fatalf("job: %+v, %v", j, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- desk.Close() }()
	close(work.goOn)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	o.CaughtUp(t)
	got, err := o.Desk.Job(t.Context(), j.ID)
	if err != nil || !got.Done() || got.Error == "" && got.Events != 50 || got.Error != "" && !strings.Contains(got.Error, "stopped after") {
		t.Errorf("job: %+v, %v", got, err)
	}
}

// TestReplayPreviewOfWhatFailsAgain: a preview says which events today's rules cannot work either, and why.
func TestReplayPreviewOfWhatFailsAgain(t *testing.T) {
	o := office.New(t)
	for n := range 3 {
		o.Fail(n, "ada@example.com")
	}
	o.CaughtUp(t)
	desk := ops.New(ops.Options{Index: o.Index, Records: o.Index, Archive: o, Work: o, Planner: &unfit{}, Live: o})
	defer func() { _ = desk.Close() }()
	j, err := desk.Replay(t.Context(), "ada", ops.Selection{Filter: &events.Filter{State: events.Failed}}, true)
	if err != nil {
		t.Fatal(err)
	}
	j = wait(t, desk, j)
	want := []ops.Fails{{Why: "rule.error: no such key", Events: 2}, {Why: "contact.missing: the event has neither an e-mail address nor a phone number", Events: 1}}
	if diff := cmp.Diff(want, j.WouldFail); diff != "" || j.Events != 3 || j.Calls != 0 {
		t.Errorf("job %+v (-want +got):\n%s", j, diff)
	}
}

// unfit plans nothing: an expression fails twice, then nobody is named.
type unfit struct{ n int }

func (u *unfit) Preview(context.Context, *events.Event) (events.Plan, error) {
	if u.n++; u.n <= 2 {
		return events.Plan{}, errors.New("rule.error: no such key")
	}
	return events.Plan{Rules: []string{"lead"}, Steps: []events.Step{{ID: "lead/tag:Lead#1", Do: events.DoTag, Target: "Lead"}}}, nil
}

// slow replays the first event when it is told to.
type slow struct {
	ops.Work
	once        sync.Once
	begun, goOn chan struct{}
}

func (s *slow) Replay(ctx context.Context, account, key string, seq uint64, job string) (bool, error) {
	s.once.Do(func() { close(s.begun); <-s.goOn })
	return s.Work.Replay(ctx, account, key, seq, job)
}

func TestBadSelections(t *testing.T) {
	o := office.New(t)
	o.Accept(office.Order(1, "a", "shop", "ada@example.com"), events.Normal)
	o.Accept(office.Order(1, "b", "shop", "ada@example.com"), events.Normal)
	o.CaughtUp(t)
	id := office.Order(1, "a", "shop", "").ID
	for name, tt := range map[string]struct {
		s    ops.Selection
		kind ops.ErrorKind
		text string
	}{
		"nothing":      {ops.Selection{}, ops.Invalid, "nothing is chosen"},
		"both":         {ops.Selection{IDs: []string{"x"}, Filter: &events.Filter{State: events.Failed}}, ops.Invalid, "either"},
		"unknown":      {ops.Selection{IDs: []string{"nope"}}, ops.NotFound, "no event"},
		"ambiguous":    {ops.Selection{IDs: []string{id}}, ops.Ambiguous, "account"},
		"all":          {ops.Selection{Filter: &events.Filter{}}, ops.Invalid, "nothing is chosen"},
		"wrong state":  {ops.Selection{Filter: &events.Filter{State: "fialed"}}, ops.Invalid, "no state"},
		"wrong reason": {ops.Selection{Filter: &events.Filter{State: events.Failed, Reason: "x"}}, ops.Invalid, "no reason"},
		"too many":     {ops.Selection{IDs: make([]string, 1001)}, ops.Invalid, "filter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := o.Desk.Discard(t.Context(), "ada", tt.s, false)
			isKind(t, err, tt.kind, tt.text)
		})
	}
	if _, err := o.Desk.Discard(t.Context(), "ada", ops.Selection{IDs: []string{id}, Account: "a"}, false); err != nil {
		t.Errorf("with its account: %v", err)
	}
}

// TestDiscardWithoutState: the same filters as for replays; what is not failed is dropped only when it is named.
func TestDiscardWithoutState(t *testing.T) {
	o := office.New(t)
	failed := o.Fail(1, "ada@example.com")
	o.Accept(office.Order(2, "default", "shop", "ada@example.com"), events.Normal)
	o.CaughtUp(t)
	job, err := o.Desk.Discard(t.Context(), "ada", ops.Selection{Filter: &events.Filter{Account: "default"}}, false)
	if err != nil || job.Events != 1 {
		t.Fatalf("%+v, %v", job, err)
	}
	o.CaughtUp(t)
	page, err := o.Desk.List(t.Context(), events.Filter{State: events.StateDiscarded}, 10, "")
	if err != nil || len(page.Rows) != 1 || page.Rows[0].ID != failed.ID {
		t.Errorf("discarded: %+v, %v", page.Rows, err)
	}
}

// TestNoAuditNoChange holds that what cannot be recorded is not done.
func TestNoAuditNoChange(t *testing.T) {
	o := office.New(t)
	e := o.Fail(1, "ada@example.com")
	o.CaughtUp(t)
	o.Broken = errors.New("the log is full")
	if _, err := o.Desk.Discard(t.Context(), "ada", ops.Selection{IDs: []string{e.ID}}, false); !errors.Is(err, o.Broken) {
		t.Errorf("discard: %v", err)
	}
	if _, err := o.Desk.Erase(t.Context(), "ada", "ada@example.com"); !errors.Is(err, o.Broken) {
		t.Errorf("erase: %v", err)
	}
	if err := o.Desk.Pause(t.Context(), "ada", "default"); !errors.Is(err, o.Broken) {
		t.Errorf("pause: %v", err)
	}
	if got := states(t, o); got[events.Failed] != 1 || len(o.Erased) != 0 || o.AccountList[0].Paused != nil {
		t.Errorf("something was changed: %v, %v, %+v", got, o.Erased, o.AccountList[0].Paused)
	}
}

// TestClosed holds that a closed desk begins nothing.
func TestClosed(t *testing.T) {
	o := office.New(t)
	e := o.Fail(1, "ada@example.com")
	o.CaughtUp(t)
	if err := o.Desk.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := o.Desk.Replay(t.Context(), "ada", ops.Selection{IDs: []string{e.ID}}, true)
	isKind(t, err, ops.Conflict, "stopping")
}
