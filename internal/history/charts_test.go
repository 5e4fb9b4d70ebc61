package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

func TestRatesAndQuota(t *testing.T) {
	ix, log := newFollowed(t)
	e := order(0, "default", "shop", "ada@example.com")
	log.event(e, events.Normal)
	log.event(order(0, "other", "shop", "ada@example.com"), events.Normal)
	for i, status := range []int{200, 200, 429, 0} {
		log.outcome(events.Outcome{Kind: events.OutcomeCall, At: day.Add(time.Duration(i) * 30 * time.Second), Account: "default",
			Call: &events.CallReport{Operation: "contacts.upsert", Status: status}})
	}
	log.outcome(state(e, day.Add(90*time.Minute), events.Done, ""),
		events.Outcome{Kind: events.OutcomeQuota, At: day, Account: "default", Quota: &events.QuotaReport{Limit: 30000, Used: 900, Elsewhere: 100}},
		events.Outcome{Kind: events.OutcomeQuota, At: day.Add(time.Hour), Account: "default", Quota: &events.QuotaReport{Limit: 30000, Used: 850}})
	caughtUp(t, ix, log)

	for _, tt := range []struct {
		step time.Duration
		want []events.Rate
	}{
		{time.Minute, []events.Rate{
			{At: day, Account: "default", What: "accepted", Count: 1},
			{At: day, Account: "default", What: "contacts.upsert", Status: "200", Count: 2},
			{At: day.Add(time.Minute), Account: "default", What: "contacts.upsert", Status: "429", Count: 1},
			{At: day.Add(time.Minute), Account: "default", What: "contacts.upsert", Status: "none", Count: 1},
			{At: day.Add(90 * time.Minute), Account: "default", What: "settled", Status: "done", Count: 1},
		}},
		{10 * time.Minute, []events.Rate{
			{At: day, Account: "default", What: "accepted", Count: 1},
			{At: day, Account: "default", What: "contacts.upsert", Status: "200", Count: 2},
			{At: day, Account: "default", What: "contacts.upsert", Status: "429", Count: 1},
			{At: day, Account: "default", What: "contacts.upsert", Status: "none", Count: 1},
			{At: day.Add(90 * time.Minute), Account: "default", What: "settled", Status: "done", Count: 1},
		}},
		{24 * time.Hour, []events.Rate{
			{At: day.Truncate(24 * time.Hour), Account: "default", What: "accepted", Count: 1},
			{At: day.Truncate(24 * time.Hour), Account: "default", What: "contacts.upsert", Status: "200", Count: 2},
			{At: day.Truncate(24 * time.Hour), Account: "default", What: "contacts.upsert", Status: "429", Count: 1},
			{At: day.Truncate(24 * time.Hour), Account: "default", What: "contacts.upsert", Status: "none", Count: 1},
			{At: day.Truncate(24 * time.Hour), Account: "default", What: "settled", Status: "done", Count: 1},
		}},
	} {
		got, err := ix.Rates(t.Context(), events.Series{Account: "default", Since: day, Until: day.Add(24 * time.Hour), Step: tt.step})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("by %s (-want +got):\n%s", tt.step, diff)
		}
	}

	all, err := ix.Rates(t.Context(), events.Series{Since: day, Until: day.Add(time.Minute), Step: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]events.Rate{
		{At: day, Account: "default", What: "accepted", Count: 1},
		{At: day, Account: "default", What: "contacts.upsert", Status: "200", Count: 2},
		{At: day, Account: "other", What: "accepted", Count: 1},
	}, all); diff != "" {
		t.Errorf("of all accounts (-want +got):\n%s", diff)
	}

	days, err := ix.QuotaDays(t.Context(), "", day.Add(-30*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]events.DayQuota{
		{Day: day.Truncate(24 * time.Hour), Account: "default", Limit: 30000, Used: 900, Elsewhere: 100, Calls: 4},
	}, days); diff != "" {
		t.Errorf("quota (-want +got):\n%s", diff)
	}
}

func TestAudit(t *testing.T) {
	ix, log := newFollowed(t)
	log.outcome(events.Outcome{Kind: events.OutcomeAudit, At: day, Who: "ada", Action: "replay", Target: "state=failed", Job: "j1", Detail: "3 events"})
	log.outcome(events.Outcome{Kind: events.OutcomeAudit, At: day.Add(time.Second), Who: "bob", Action: "pause", Account: "default"})
	caughtUp(t, ix, log)
	replay := events.AuditLine{At: day, Who: "ada", Action: "replay", Target: "state=failed", Job: "j1", Detail: "3 events"}
	pause := events.AuditLine{At: day.Add(time.Second), Who: "bob", Action: "pause", Account: "default"}
	for job, want := range map[string][]events.AuditLine{"": {pause, replay}, "j1": {replay}, "j2": nil} {
		got, err := ix.Audit(t.Context(), job, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("job %q (-want +got):\n%s", job, diff)
		}
	}
}
