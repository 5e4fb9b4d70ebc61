package history

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

// TestAbout holds that what never got to the log of events is found by its source, type and id all the same, and that
// the log has the last word on what gets there later.
func TestAbout(t *testing.T) {
	ix, log := newFollowed(t)
	log.outcome(events.Outcome{Kind: events.OutcomeState, At: day, Account: "default", Key: events.KeyOf("", "", "INGEST:7"), State: events.Failed,
		Reason: events.BadSchema, About: &events.About{ID: "ingest:7", Source: "crm", Type: events.Unreadable}})
	e := order(1, "default", "shop", "ada@example.com")
	log.outcome(events.Outcome{Kind: events.OutcomeState, At: day, Account: "default", Key: e.Key(), State: events.Parked, Reason: events.EnrichWait,
		About: &events.About{ID: "shop:unknown", Source: "shop", Type: "order.updated"}})
	caughtUp(t, ix, log)
	list := func(f events.Filter) []string {
		t.Helper()
		p, err := ix.List(t.Context(), f, 10, "")
		if err != nil {
			t.Fatal(err)
		}
		return ids(p)
	}
	for _, f := range []events.Filter{{Source: "crm"}, {Type: events.Unreadable}, {Q: "ingest:7"}, {Source: "crm", State: events.Failed, Account: "default"}} {
		if diff := cmp.Diff([]string{"ingest:7"}, list(f)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", f, diff)
		}
	}
	if diff := cmp.Diff([]string{"shop:unknown"}, list(events.Filter{State: events.Parked, Type: "order.updated"})); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
	log.event(e, events.Normal)
	log.outcome(events.Outcome{Kind: events.OutcomeState, At: day, Account: "default", Key: e.Key(), State: events.Waiting,
		About: &events.About{ID: "late", Source: "late", Type: "late"}})
	caughtUp(t, ix, log)
	if diff := cmp.Diff([]string{e.ID}, list(events.Filter{Source: "shop", Type: "order.paid", State: events.Waiting})); diff != "" {
		t.Errorf("accepted (-want +got):\n%s", diff)
	}
}
