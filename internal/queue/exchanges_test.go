package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// exchangesOf reads the ids that the log of outcomes holds, in order, and fails when it holds anything of what was said.
func exchangesOf(t *testing.T, q *Queue) []string {
	t.Helper()
	var ids []string
	err := q.scan(context.Background(), streamOut, func(msg *jetstream.RawStreamMsg) error {
		if strings.Contains(string(msg.Data), "example.com") {
			t.Errorf("the log of outcomes holds %s", msg.Data)
		}
		list, err := decodeOutcomes(msg.Data)
		for _, o := range list {
			if o.Call != nil {
				ids = append(ids, o.Call.ID)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func exchange(email, key string) events.Exchange {
	body := fmt.Sprintf(`{"email":%q}`, email)
	return events.Exchange{At: time.Now().UTC().Truncate(time.Millisecond), Account: "default", Keys: []string{key}, Method: "PUT", Target: "/rest/v1/contacts",
		Status: 200, Sent: events.Excerpt{Text: body, Size: len(body)}}
}

// TestExchanges: what was said is found by its id, also after a restart, and is no part of the log of outcomes. Erasing a
// person takes theirs and leaves those of others.
func TestExchanges(t *testing.T) {
	opt := testOptions(t)
	q, err := Open(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	zoe := event("1", "zoe@example.com")
	said := []events.Exchange{exchange("zoe@example.com", zoe.Key()), exchange("other@example.com", "2"), exchange("none", "3"), exchange("none", "4")}
	said[2].Target = "/rest/v2/contacts?filter=email%3D%3DZOE%40example.com" // a search by somebody else's event
	for i := range said {
		q.RecordLater(events.Outcome{Kind: events.OutcomeCall, Account: "default", Call: &events.CallReport{Operation: "contacts.upsert", Status: 200, Exchange: &said[i]}})
	}
	q.RecordLater(events.Outcome{Kind: events.OutcomeCall, Account: "default", Call: &events.CallReport{Operation: "tags.list", Status: 200}})
	closeQueue(t, q)

	q = openQueue(t, opt)
	ids := exchangesOf(t, q)
	if len(ids) != 5 || ids[4] != "" {
		t.Fatalf("ids %q", ids)
	}
	read := func() map[string]events.Exchange {
		got, err := q.Exchanges(t.Context(), append(ids, "nothing", "a.b", "*.>.x"))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := map[string]events.Exchange{}
	for i, id := range ids[:4] {
		said[i].ID = id
		want[id] = said[i]
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("-said +kept:\n%s", diff)
	}

	if _, err := q.Erase(t.Context(), "zoe@example.com", []events.Row{{Key: zoe.Key(), Account: "default"}}); err != nil {
		t.Fatal(err)
	}
	delete(want, ids[0])
	delete(want, ids[2])
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("after the erasure, -want +kept:\n%s", diff)
	}
	for _, path := range holds(t, opt.DataDir, "zoe") {
		t.Errorf("left on disk: %s", path)
	}
}

// TestExchangesOfErased: what comes back for an event after it was erased is not kept.
func TestExchangesOfErased(t *testing.T) {
	b := started(t, testOptions(t), nil)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "in hand", func() bool { return len(b.groups.all()) == 1 })
	if _, err := b.Erase(t.Context(), "a@example.com", []events.Row{{Key: e.Key(), Account: "default", Seq: 1}}); err != nil {
		t.Fatal(err)
	}
	id := b.exchanges.keep(exchange("a@example.com", e.Key()))
	if err := b.exchanges.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Exchanges(t.Context(), []string{id}); err != nil || len(got) > 0 {
		t.Errorf("kept: %v, %v", got, err)
	}
}

// BenchmarkKeepExchange is what a call pays for it.
func BenchmarkKeepExchange(b *testing.B) {
	q := openQueue(b, testOptions(b))
	e := exchange(strings.Repeat("x", 1000)+"@example.com", "1")
	e.Answered = e.Sent
	report := events.CallReport{Operation: "contacts.upsert", Status: 200, Exchange: &e}
	for _, name := range []string{"with", "without"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				q.RecordLater(events.Outcome{Kind: events.OutcomeCall, Account: "default", Call: &report})
			}
			report.Exchange = nil
		})
	}
}
