package ops_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
	"bridge/internal/history"
	"bridge/internal/ops"
	"bridge/test/office"
)

// What the real index offers is what the desk asks for.
var (
	_ ops.Index   = (*history.Index)(nil)
	_ ops.Records = (*history.Index)(nil)
	_ ops.News    = (*history.Index)(nil)
)

// TestStatusJSON holds the shape that other programs rely on.
func TestStatusJSON(t *testing.T) {
	o := office.New(t)
	until := time.Date(2026, 8, 4, 0, 0, 0, 0, time.UTC)
	o.AccountList[0].Quota.Day.ResetsAt = &until
	o.AccountList[0].ETA = until.Add(time.Hour)
	o.AccountList[0].Paused = &ops.Pause{Reason: events.QuotaDay, Until: &until}
	o.AccountList[0].Front = [3]int{1, 2, 0}
	o.Fail(1, "ada@example.com")
	o.Doubt(2, "ada@example.com")
	o.Succeed(office.Order(3, "default", "shop", "bob@example.com"), events.Normal)
	o.Accept(office.Order(4, "default", "shop", "bob@example.com"), events.Bulk)
	parked := office.Order(5, "default", "shop", "bob@example.com")
	o.Accept(parked, events.Normal)
	o.Settle(office.State(parked, events.Parked, events.QuotaDay, ""))
	o.Succeed(office.Order(6, "removed", "shop", "bob@example.com"), events.Normal)
	o.CaughtUp(t)

	status, err := o.Desk.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(`{"accounts": {"default": {
		"ready": true,
		"quota": {"second": {"limit": 10, "used": 3, "elsewhere": 0}, "minute": {"limit": 240, "used": 61, "elsewhere": 0},
			"day": {"limit": 30000, "used": 812, "elsewhere": 40, "resets_at": "2026-08-04T00:00:00Z"}},
		"backlog": {"urgent": 1, "normal": 2, "bulk": 1},
		"parked": 1, "failed": 1, "in_doubt": 1, "done": 1,
		"eta": "2026-08-04T01:00:00Z", "paused": {"reason": "quota.day", "until": "2026-08-04T00:00:00Z"},
		"rate": 0, "owner": "bridge-1",
		"failed_by_reason": {"tag.unknown": 1, "unknown_outcome": 1}, "parked_by_reason": {"quota.day": 1}
	}}}`), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// TestRemovedAccountWithFailures holds that events of an account that is not configured any more are not forgotten.
func TestRemovedAccountWithFailures(t *testing.T) {
	o := office.New(t)
	e := office.Order(1, "removed", "shop", "ada@example.com")
	o.Accept(e, events.Normal)
	o.Settle(office.State(e, events.Failed, events.NotConfigured, "its account is not configured"))
	o.CaughtUp(t)
	status, err := o.Desk.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := status.Accounts["removed"]; !ok || a.Ready || a.Failed != 1 {
		t.Errorf("removed account: %v, %+v", ok, a)
	}
}

func TestCheck(t *testing.T) {
	o := office.New(t)
	if needs, err := o.Desk.Check(t.Context()); err != nil || len(needs) != 0 {
		t.Errorf("a healthy bridge needs %+v, %v", needs, err)
	}
	o.Fail(1, "ada@example.com")
	o.Doubt(2, "ada@example.com")
	o.CaughtUp(t)
	o.AccountList[0].Paused = &ops.Pause{Reason: events.Unauthorized}
	o.SourceList = []ops.Source{{Account: "default", Name: "shop", Silent: true}}
	o.ProblemList = []ops.Problem{{Account: "default", Where: "bridge.yaml:3:1", Message: "unknown key"}}
	needs, err := o.Desk.Check(t.Context())
	if err != nil || len(needs) != 5 {
		t.Errorf("%d needs, %v: %+v", len(needs), err, needs)
	}
	for _, n := range needs {
		if n.Hint == "" || n.What == "" {
			t.Errorf("%+v does not say what to do", n)
		}
	}
	o.AccountList[0].Paused = &ops.Pause{Reason: events.QuotaDay}
	if again, err := o.Desk.Check(t.Context()); err != nil || len(again) != 4 {
		t.Errorf("a pause that ends by itself needs somebody: %+v, %v", again, err)
	}
}

func TestShow(t *testing.T) {
	o := office.New(t)
	e := o.Fail(1, "ada@example.com")
	o.CaughtUp(t)
	s, err := o.Desk.Show(t.Context(), ops.Ref{ID: e.ID})
	if err != nil {
		t.Fatal(err)
	}
	if s.Event == nil || s.Event.ID != e.ID || s.Plan == nil || len(s.Served) != 1 || len(s.Changes) != 1 {
		t.Errorf("sheet: %+v", s)
	}
	var got []string
	for _, l := range s.Lines {
		got = append(got, string(l.State)+" "+l.ID)
	}
	if diff := cmp.Diff([]string{
		"done purchase/contact#1", "failed purchase/tag:Customer#1", "waiting purchase/tag:Bought HOODIE#1", "waiting purchase/goal:shop/bought#1",
	}, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	_, err = o.Desk.Show(t.Context(), ops.Ref{ID: "nope"})
	isKind(t, err, ops.NotFound, "nope")
	_, err = o.Desk.Show(t.Context(), ops.Ref{})
	isKind(t, err, ops.Invalid, "id")
}

// TestShowAfterMemoryEnded holds that the report tells the steps when their memory has aged out.
func TestShowAfterMemoryEnded(t *testing.T) {
	o := office.New(t)
	e := office.Order(1, "default", "shop", "ada@example.com")
	o.Succeed(e, events.Normal)
	o.CaughtUp(t)
	s, err := o.Desk.Show(t.Context(), ops.Ref{ID: e.ID})
	if err != nil || len(s.Lines) != 2 || s.Lines[1].State != events.StepDone || s.Lines[1].N != 2 || s.Plan != nil {
		t.Errorf("lines %+v, %v", s.Lines, err)
	}
}

func TestCompare(t *testing.T) {
	o := office.New(t)
	e := o.Fail(1, "ada@example.com")
	old := office.Plan(&e)
	old.Steps = append(old.Steps[:1:1], events.Step{ID: "purchase/tag:Old#1", Rule: "purchase", Do: events.DoTag, Target: "Old"})
	o.Remember(e.Key(), events.Journal{Plan: &old, Marks: events.Marks{Steps: map[string]events.Mark{"purchase/contact#1": {State: events.StepDone}}}})
	o.CaughtUp(t)
	c, err := o.Desk.Compare(t.Context(), ops.Ref{ID: e.ID})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range c.Lines {
		got = append(got, l.Change+" "+l.Step.ID)
	}
	if diff := cmp.Diff([]string{
		"same purchase/contact#1", "added purchase/tag:Customer#1", "added purchase/tag:Bought HOODIE#1", "added purchase/goal:shop/bought#1",
		"removed purchase/tag:Old#1",
	}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if !c.Lines[0].Done || len(c.Calls) != 2 {
		t.Errorf("done %v, calls %+v", c.Lines[0].Done, c.Calls)
	}
}

func TestResolve(t *testing.T) {
	o := office.New(t)
	e := o.Doubt(1, "ada@example.com")
	failed := o.Fail(2, "bob@example.com")
	o.CaughtUp(t)
	err := o.Desk.Resolve(t.Context(), "ada", ops.Ref{ID: e.ID}, "9", true)
	isKind(t, err, ops.NotFound, "no step")
	err = o.Desk.Resolve(t.Context(), "ada", ops.Ref{ID: e.ID}, "1", true)
	isKind(t, err, ops.Conflict, "not in doubt")
	err = o.Desk.Resolve(t.Context(), "ada", ops.Ref{ID: failed.ID}, "2", true)
	isKind(t, err, ops.Conflict, "not in doubt")
	if err := o.Desk.Resolve(t.Context(), "ada", ops.Ref{ID: e.ID}, "4", true); err != nil {
		t.Fatal(err)
	}
	if got := states(t, o); got[events.Done] != 1 || got[events.InDoubt] != 0 {
		t.Errorf("states: %v", got)
	}
	lines, err := o.Index.Audit(t.Context(), "", 1)
	if err != nil || len(lines) != 1 || lines[0].Action != "resolve" || lines[0].Detail != "happened" {
		t.Errorf("audit: %+v, %v", lines, err)
	}
}

func TestErase(t *testing.T) {
	o := office.New(t)
	o.Fail(1, "ada@example.com")
	o.Succeed(office.Order(2, "default", "shop", "Ada@Example.com"), events.Normal)
	o.Fail(3, "bob@example.com")
	o.CaughtUp(t)
	for _, wrong := range []string{"", "ada", "@example.com", "ada@"} {
		_, err := o.Desk.Erase(t.Context(), "ada", wrong)
		isKind(t, err, ops.Invalid, "e-mail")
	}
	if n, err := o.Desk.Erase(t.Context(), "ada", "ada@example.com"); err != nil || n != 2 || len(o.Erased) != 2 {
		t.Errorf("erased %d, %v, %v", n, err, o.Erased)
	}
}

func TestPause(t *testing.T) {
	o := office.New(t)
	isKind(t, o.Desk.Pause(t.Context(), "ada", "nobody"), ops.NotFound, "nobody")
	if err := o.Desk.Pause(t.Context(), "ada", "default"); err != nil || o.AccountList[0].Paused == nil {
		t.Errorf("pause: %v", err)
	}
	if err := o.Desk.Resume(t.Context(), "ada", "default"); err != nil || o.AccountList[0].Paused != nil {
		t.Errorf("resume: %v", err)
	}
	o.CaughtUp(t)
	lines, err := o.Index.Audit(t.Context(), "", 10)
	if err != nil || len(lines) != 2 || lines[0].Action != "resume" || lines[1].Account != "default" {
		t.Errorf("audit: %+v, %v", lines, err)
	}
}

func TestSample(t *testing.T) {
	o := office.New(t)
	if err := o.Desk.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.CaughtUp(t)
	days, err := o.Index.QuotaDays(t.Context(), "default", time.Now().Add(-48*time.Hour))
	if err != nil || len(days) != 1 || days[0].Used != 812 || days[0].Elsewhere != 40 || days[0].Limit != 30000 {
		t.Errorf("days: %+v, %v", days, err)
	}
}

// TestStatusETA: what nobody has in hand yet counts in the end of the work; what is in hand does not count twice.
func TestStatusETA(t *testing.T) {
	soon := time.Now().UTC().Add(3 * time.Minute)
	for _, tt := range []struct {
		backlog, waiting int
		later            bool
	}{{20_000, 2500, true}, {2000, 2500, false}, {0, 1, false}} {
		o := office.New(t)
		a := &o.AccountList[0]
		a.ETA, a.Front, a.Plan = soon, [3]int{0, 0, tt.backlog}, &ops.Plan{Bulk: ops.Share{Waiting: tt.waiting}}
		s, err := o.Desk.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The office makes four calls a second.
		if got := s.Accounts[a.Name].ETA; got == nil || tt.later != got.After(soon.Add(time.Hour)) || !tt.later && !got.Equal(soon) {
			t.Errorf("%d events wait, %d calls are in hand: finished %v, in hand done %v", tt.backlog, tt.waiting, got, soon)
		}
	}
}
