package history

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bridge/internal/events"
)

// records makes the log of n events that a working bridge leaves: each accepted, served by two calls, and settled.
func records(n int) []events.LogRecord {
	var (
		recs []events.LogRecord
		pos  events.Position
	)
	for i := range n {
		e := order(i, fmt.Sprintf("a%d", i%7), "shop", fmt.Sprintf("p%d@example.com", i%(n/3+1)))
		pos.Events++
		recs = append(recs, events.LogRecord{Position: pos, Event: &e, Lane: events.Priority(i % 3)})
		for _, operation := range []string{"contacts.upsert", "tags.apply"} {
			pos.Outcomes++
			recs = append(recs, events.LogRecord{Position: pos, Outcomes: []events.Outcome{{
				Kind: events.OutcomeCall, At: e.Received, Account: e.Account,
				Call: &events.CallReport{Operation: operation, Status: 200, Subjects: 1, Served: []events.Served{{Key: e.Key(), Step: "purchase/" + operation, Rule: "purchase"}}},
			}}})
		}
		o := state(e, e.Received.Add(time.Second), events.Done, "")
		o.Rules, o.Attempt = []string{"purchase"}, 1
		o.Steps = []events.StepReport{
			{ID: "purchase/contact#1", Rule: "purchase", Do: events.DoContact, State: events.StepDone, Calls: 1, Attempts: []events.StepAttempt{{At: e.Received, Status: 200}}},
			{ID: "purchase/tag:Customer#1", Rule: "purchase", Do: events.DoTag, Target: "Customer", State: events.StepDone, Calls: 1},
		}
		switch {
		case i%100 == 7:
			o.State, o.Reason, o.Detail = events.Failed, events.TagUnknown, fmt.Sprintf("tag \"T%d\" does not exist", i)
		case i%1000 == 11:
			o.State, o.Reason = events.Parked, events.QuotaDay
		}
		pos.Outcomes++
		recs = append(recs, events.LogRecord{Position: pos, Outcomes: []events.Outcome{o}})
	}
	return recs
}

// BenchmarkTake measures records per second, four of them an event.
func BenchmarkTake(b *testing.B) {
	ix := open(b, filepath.Join(b.TempDir(), "history.db"))
	recs := records(b.N/4 + 1)[:b.N]
	b.ResetTimer()
	for at := 0; at < len(recs); at += 1000 {
		if err := ix.take(b.Context(), recs[at:min(at+1000, len(recs))]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkList pages through many events (HISTORY_EVENTS, 100,000 when unset) with every kind of filter.
func BenchmarkList(b *testing.B) {
	count := 100_000
	if text := os.Getenv("HISTORY_EVENTS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	ix := open(b, filepath.Join(b.TempDir(), "history.db"))
	begun := time.Now()
	if err := ix.take(b.Context(), records(count)); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d events taken in %s", count, time.Since(begun))
	middle := day.Add(time.Duration(count/2) * time.Second)
	for _, f := range []events.Filter{
		{}, {State: events.Done}, {State: events.Failed}, {State: events.Parked}, {State: events.Failed, Account: "a3"}, {Account: "a3", Type: "order.paid", Source: "shop"},
		{Contact: "p5@example.com"}, {Q: "W-77"}, {Until: middle}, {State: events.Parked, Until: middle}, {State: events.Waiting}, {Account: "a1", Until: day.Add(time.Hour)},
	} {
		b.Run(fmt.Sprintf("%+v", f), func(b *testing.B) {
			cursor := ""
			for b.Loop() {
				p, err := ix.List(b.Context(), f, 50, cursor)
				if err != nil {
					b.Fatal(err)
				}
				cursor = p.Next
			}
		})
	}
	b.Run("lookup of 64", func(b *testing.B) {
		var keys []string
		for i := range 64 {
			e := order(i*count/64, "a0", "shop", "")
			keys = append(keys, e.Key())
		}
		for b.Loop() {
			if _, err := ix.Lookup(b.Context(), keys); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("groups", func(b *testing.B) {
		for b.Loop() {
			if _, err := ix.FailureGroups(b.Context(), ""); err != nil {
				b.Fatal(err)
			}
		}
	})
}
