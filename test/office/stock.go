package office

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/history"
	"bridge/internal/ops"
)

// StockDays is how far the past of a stocked office reaches back.
const StockDays = 60

// stock is a past that is not held in memory: its n-th event is made of n whenever somebody asks.
type stock int

// NewStocked opens an office whose history holds that many past events of four accounts, put there through the history's
// own door: most are done, some of every hundred failed, are in doubt, parked, waiting or discarded. One of
// them, old-shop, had more than a quarter of all and closed half-way. Journals are not kept.
func NewStocked(t testing.TB, past int) *Office {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	index, err := history.Open(t.Context(), path, history.Options{Hash: hash})
	if err != nil {
		t.Fatal(err)
	}
	s := stock(past)
	ctx, cancel := context.WithCancel(t.Context())
	var pos events.Position
	err = index.Follow(ctx, teller(func(fn func([]events.LogRecord) error) (err error) {
		defer cancel() // it is told once
		pos, err = s.tell(fn)
		return err
	}))
	if got, failed := index.Position(t.Context()); err != nil || failed != nil || got != pos {
		t.Fatal(err, failed, got, pos)
	}
	o := newOffice(t, index, s, pos)
	for _, name := range []string{"second-shop", "third-shop"} {
		o.AccountList = append(o.AccountList, ops.Account{Name: name, App: "xy789", Group: "xy789", Owner: "bridge-2", Ready: true, Rate: 3.9, Quota: o.AccountList[0].Quota})
	}
	for _, name := range []string{"shop", "forms", "crm"} {
		o.SourceList = append(o.SourceList, ops.Source{Account: "default", Name: name, Kind: "woocommerce", Address: "https://bridge.example.com/hooks/default/" + name})
	}
	o.RuleList = []ops.Rule{{Account: "default", Name: "purchase", On: []string{"order.paid"}, Do: []string{"contact", "tag Customer"}, At: "bridge.yaml:12:9"}}
	return o
}

// teller is a history.Log that calls a function once.
type teller func(fn func([]events.LogRecord) error) error

// Tail implements history.Log.
func (t teller) Tail(_ context.Context, _ events.Position, fn func([]events.LogRecord) error) error {
	return t(fn)
}

// stockAtOnce is how many events are in one read of the log.
const stockAtOnce = 2000

// tell hands all records over, and says where they end.
func (s stock) tell(fn func([]events.LogRecord) error) (pos events.Position, _ error) {
	for n := 0; n < int(s); {
		var recs []events.LogRecord
		for ; n < int(s) && len(recs) < stockAtOnce*2; n++ {
			e := s.event(n)
			pos.Events++
			recs = append(recs, events.LogRecord{Position: pos, Event: &e, Lane: events.Priority(n % 3), Group: e.Account})
			if out := s.outcomes(n, e); len(out) > 0 {
				pos.Outcomes++
				recs = append(recs, events.LogRecord{Position: pos, Outcomes: out})
			}
		}
		if err := fn(recs); err != nil {
			return pos, err
		}
	}
	return pos, nil
}

// stockTypes are what the sources send, each as often as the next.
var stockTypes = []string{"order.paid", "order.paid", "order.refunded", "lead.submitted", "subscription.renewed"}

// event makes the n-th event.
func (s stock) event(n int) events.Event {
	account := "old-shop"
	if k := n % 7; k < 3 {
		account = []string{"default", "second-shop", "third-shop"}[k]
	} else if n > int(s)/2 {
		account = "default"
	}
	source := []string{"shop", "forms", "crm"}[n/5%3]
	e := Order(0, account, source, fmt.Sprintf("p%d@example.com", n/3))
	e.ID = fmt.Sprintf("%s:past:%d", source, n)
	e.Type = stockTypes[n/15%len(stockTypes)]
	e.Data.Order.Number = fmt.Sprint("P-", n)
	e.Received = Start.Add(-StockDays * 24 * time.Hour / time.Duration(s) * time.Duration(int(s)-n))
	e.Time = e.Received
	return e
}

// outcomes makes what became of it.
func (s stock) outcomes(n int, e events.Event) []events.Outcome {
	out := State(e, events.Done, events.NoReason, "")
	out.Rules = []string{"purchase"}
	switch k := n % 1000; {
	case k < 8:
		out.State, out.Reason, out.Step = events.Failed, events.TagUnknown, "purchase/tag:Customer#1"
		out.Detail = fmt.Sprintf("the tag %q does not exist in Keap (create it, or allow tags.create)", fmt.Sprint("Bought ", n))
	case k < 10:
		out.State, out.Reason, out.Detail = events.Failed, events.KeapRejected, fmt.Sprintf("Keap answered 400: shape %c is not a field", 'a'+n/1000%26)
	case k == 10:
		out.State, out.Reason, out.Step, out.Detail = events.InDoubt, events.UnknownOutcome, "purchase/goal:shop/bought#1", "Keap did not answer in time; the goal may have been achieved"
	case k < 20:
		until := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		out.State, out.Reason, out.Until, out.Detail = events.Parked, events.QuotaDay, &until, "the day's calls are spent"
	case k < 30:
		return nil
	case k < 35:
		out.State, out.Reason, out.Job = events.StateDiscarded, events.Discarded, "d20260101-000000-0000beef"
	case k < 60:
		out.Reason = events.NoRule
		out.Rules = nil
	default:
		return []events.Outcome{call(e, "contacts.upsert", 200, "purchase/contact#1"), call(e, "tags.apply", 200, "purchase/tag:Customer#1"), out}
	}
	return []events.Outcome{out}
}
