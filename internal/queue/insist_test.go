package queue

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// TestReplicaThatLags: the replica that answers direct reads does not hold yet what its leader does. What it lacks is not gone:
// nothing is taken for erased, and the log does not end before its end.
func TestReplicaThatLags(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	opt := externalOptions(t, s.ClientURL())
	b := &bench{Queue: openQueue(t, opt), groups: &testGroups{decide: done}, front: &testFront{}}
	b.start(t)
	e := event("1", "ada@example.com")
	accept(t, b.Queue, e)
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })

	for _, of := range []string{"", ".>"} {
		if err := s.GlobalAccount().AddMapping("$JS.API.DIRECT.GET."+streamEvents+of, "lagging"+of); err != nil {
			t.Fatal(err)
		}
	}
	asked := make(chan string, 16)
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, subject := range []string{"lagging", "lagging.>"} {
		if _, err := nc.Subscribe(subject, func(m *nats.Msg) {
			asked <- m.Subject
			_ = m.RespondMsg(&nats.Msg{Header: nats.Header{"Status": {"404"}, "Description": {"Message Not Found"}}})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, opt) // remembers nothing of what it has written
	got, err := q.EventBySeq(t.Context(), 1)
	if err != nil || got.ID != e.ID {
		t.Errorf("the first entry: %+v, %v", got, err)
	}
	if len(asked) != 1 {
		t.Fatalf("the replica was asked %d times: the test tests nothing", len(asked))
	}
	if last, err := q.newest(t.Context(), streamEvents, subjectEvents+"*.*"); err != nil || last.Sequence != 1 {
		t.Errorf("the last entry: %+v, %v", last, err)
	}
	// An entry that others know of and this leader does not is not gone either.
	if _, err := q.EventBySeq(t.Context(), 2); !errors.Is(err, errBehind) {
		t.Errorf("an entry beyond the end: %v", err)
	}
	if _, err := b.Erase(t.Context(), "ada@example.com", []events.Row{{Key: e.Key(), Account: e.Account, Seq: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := q.EventBySeq(t.Context(), 1); !errors.Is(err, ErrUnknownEvent) {
		t.Errorf("an entry that was erased: %v", err)
	}
}
