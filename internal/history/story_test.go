package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

// TestStory follows one event through acceptance, a retry, a shared call and success.
func TestStory(t *testing.T) {
	ix, log := newFollowed(t)
	e := order(1, "default", "shop", "ada@example.com")
	later := order(2, "default", "shop", " ADA@example.com ")
	log.event(e, events.Urgent)
	log.event(later, events.Urgent)

	until := day.Add(time.Minute)
	parked := state(e, day.Add(2*time.Second), events.Parked, events.RetryWait)
	parked.Until, parked.Attempt, parked.Detail, parked.Step = &until, 1, "Keap answered 503", "purchase/contact#1"
	log.outcome(parked)
	caughtUp(t, ix, log)
	story, ok, err := ix.Story(t.Context(), e.Key())
	if err != nil || !ok {
		t.Fatalf("Story: %v, %v", ok, err)
	}
	if story.Behind != 1 {
		t.Errorf("%d events wait behind it, want 1", story.Behind)
	}
	if story.Until == nil || !story.Until.Equal(until) || story.Attempts != 1 || story.Step != parked.Step {
		t.Errorf("parked row: %+v", story.Row)
	}

	log.outcome(events.Outcome{
		Kind: events.OutcomeCall, At: day.Add(time.Minute), Account: "default",
		Call: &events.CallReport{
			Group: "ab123", Operation: "tags.apply", Status: 200, Took: 120 * time.Millisecond, Subjects: 2,
			Served: []events.Served{
				{Key: e.Key(), Step: "purchase/tag:A#1", Rule: "purchase"},
				{Key: later.Key(), Step: "purchase/tag:A#1", Rule: "purchase"},
				{Key: e.Key(), Step: "purchase/tag:B#1", Rule: "purchase"},
				{Key: e.Key(), Step: "vip/tag:A#1", Rule: "vip"},
			},
		},
	})
	done := state(e, day.Add(2*time.Minute), events.Done, events.NoReason)
	done.Attempt, done.Rules = 2, []string{"purchase", "vip"}
	done.Steps = []events.StepReport{{ID: "purchase/tag:A#1", Rule: "purchase", Do: events.DoTag, Target: "A", State: events.StepDone, Calls: 1,
		Attempts: []events.StepAttempt{{At: day.Add(time.Minute), Status: 200}}}}
	log.outcome(done)
	caughtUp(t, ix, log)

	story, _, err = ix.Story(t.Context(), e.Key())
	if err != nil {
		t.Fatal(err)
	}
	want := events.Story{
		Row: events.Row{
			Key: e.Key(), ID: e.ID, Seq: 1, Account: "default", Source: "shop", Type: "order.paid", Priority: events.Urgent,
			State: events.Done, Received: e.Received, Changed: done.At, Attempts: 2, Calls: 1, Rules: []string{"purchase", "vip"},
		},
		Steps: done.Steps,
		Changes: []events.Change{
			{At: parked.At, State: events.Parked, Reason: events.RetryWait, Until: &until, Attempt: 1, Detail: parked.Detail, Step: parked.Step},
			{At: done.At, State: events.Done, Attempt: 2},
		},
		Served: []events.ServedCall{{
			At: day.Add(time.Minute), Operation: "tags.apply", Status: 200, Took: 120 * time.Millisecond, Subjects: 2,
			Steps: []string{"purchase/tag:A#1", "purchase/tag:B#1", "vip/tag:A#1"},
		}},
	}
	if diff := cmp.Diff(want, story); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
	costs, err := ix.Costs(t.Context(), events.Series{Since: day.Add(-time.Hour), Until: day.Add(24 * time.Hour), Step: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	midnight := day.Truncate(24 * time.Hour)
	if diff := cmp.Diff([]events.RuleCost{
		{At: midnight, Account: "default", Rule: "purchase", Source: "shop", Events: 1, Steps: 3, Calls: 0.75},
		{At: midnight, Account: "default", Rule: "vip", Source: "shop", Events: 1, Steps: 1, Calls: 0.25},
	}, costs); diff != "" {
		t.Errorf("costs (-want +got):\n%s", diff)
	}
}

// TestGoalsAreCountedApart: what a rule spends on API goals is what a tag goal would save.
func TestGoalsAreCountedApart(t *testing.T) {
	ix, log := newFollowed(t)
	e := order(1, "default", "shop", "ada@example.com")
	log.event(e, events.Urgent)
	for _, operation := range []string{"goals.achieve", "tags.apply", "goals.achieve"} {
		log.outcome(events.Outcome{Kind: events.OutcomeCall, At: day, Account: "default", Call: &events.CallReport{
			Operation: operation, Status: 200, Subjects: 1, Served: []events.Served{{Key: e.Key(), Step: "purchase/x#1", Rule: "purchase"}},
		}})
	}
	caughtUp(t, ix, log)
	costs, err := ix.Costs(t.Context(), events.Series{Since: day.Add(-time.Hour), Until: day.Add(24 * time.Hour), Step: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) != 1 || costs[0].Goals != 2 || costs[0].Calls != 3 {
		t.Errorf("costs %+v", costs)
	}
}

// TestOutcomeBeforeEvent holds that the logs may be read in any order between each other.
func TestOutcomeBeforeEvent(t *testing.T) {
	ix, log := newFollowed(t)
	e := order(1, "default", "shop", "ada@example.com")
	log.outcome(state(e, day.Add(time.Hour), events.Failed, events.TagUnknown))
	caughtUp(t, ix, log)
	if found, err := ix.Lookup(t.Context(), []string{e.Key()}); err != nil || len(found) != 0 {
		t.Errorf("Lookup before the event: %v, %v; want nothing", found, err)
	}
	log.event(e, events.Bulk)
	caughtUp(t, ix, log)
	rows, err := ix.Find(t.Context(), e.ID, "", "")
	if err != nil || len(rows) != 1 {
		t.Fatalf("Find: %v, %v", rows, err)
	}
	r := rows[0]
	if r.State != events.Failed || r.Priority != events.Bulk || r.Type != "order.paid" || !r.Received.Equal(e.Received) || r.Seq != 1 {
		t.Errorf("row: %+v", r)
	}
	if p, err := ix.List(t.Context(), events.Filter{Contact: "ADA@example.com", Since: e.Received, Until: e.Received.Add(time.Millisecond)}, 0, ""); err != nil || len(p.Rows) != 1 {
		t.Errorf("by contact: %v, %v", p.Rows, err)
	}
	found, err := ix.Lookup(t.Context(), []string{e.Key(), "unknown"})
	if err != nil || found[e.Key()] != 1 || len(found) != 1 {
		t.Errorf("Lookup: %v, %v", found, err)
	}
}

// TestFindAmbiguous holds that an id is unique only within its account and source.
func TestFindAmbiguous(t *testing.T) {
	ix, log := newFollowed(t)
	a, b := order(1, "a", "shop", "ada@example.com"), order(1, "b", "shop", "ada@example.com")
	log.event(a, events.Normal)
	log.event(b, events.Normal)
	caughtUp(t, ix, log)
	for _, tt := range []struct {
		id, account, source string
		want                int
	}{
		{a.ID, "", "", 2}, {a.ID, "a", "", 1}, {a.ID, "", "shop", 2}, {a.ID, "a", "other", 0}, {b.Key(), "", "", 1}, {"", "", "", 0},
	} {
		if rows, err := ix.Find(t.Context(), tt.id, tt.account, tt.source); err != nil || len(rows) != tt.want {
			t.Errorf("Find(%q, %q, %q): %d rows, %v; want %d", tt.id, tt.account, tt.source, len(rows), err, tt.want)
		}
	}
}

// TestErased holds that nothing of a person is left, and that a rebuilt index does not bring it back.
func TestErased(t *testing.T) {
	ix, log := newFollowed(t)
	e := order(1, "default", "shop", "ada@example.com")
	log.event(e, events.Normal)
	failed := state(e, day, events.Failed, events.FieldInvalid)
	failed.Detail = `ada@example.com is not valid for "Email"`
	log.outcome(failed)
	log.outcome(state(e, day.Add(time.Hour), events.StateDiscarded, events.Erased))
	caughtUp(t, ix, log)
	for _, f := range []events.Filter{{Contact: "ada@example.com"}, {Q: "W-1"}, {Q: e.ID}} {
		if p, err := ix.List(t.Context(), f, 0, ""); err != nil || len(p.Rows) != 0 {
			t.Errorf("%+v finds %v, %v; want nothing", f, p.Rows, err)
		}
	}
	story, ok, err := ix.Story(t.Context(), e.Key())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	for _, c := range story.Changes {
		if c.Detail != "" {
			t.Errorf("an erased event still says %q", c.Detail)
		}
	}
}
