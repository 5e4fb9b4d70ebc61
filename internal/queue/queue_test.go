package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

func TestAcceptedIsRoutedWorkedAndLogged(t *testing.T) {
	b := started(t, testOptions(t), done)
	e := event("order:1", "Ann@Example.com")
	if got := accept(t, b.Queue, e); !cmp.Equal(got, []bool{false}) {
		t.Fatalf("first: %v", got)
	}
	eventually(t, "the event is done", func() bool { return b.index.last(e.Key()) == "done" })
	got := b.groups.all()
	if len(got) != 1 {
		t.Fatalf("%d deliveries", len(got))
	}
	if diff := cmp.Diff(e, got[0].Event); diff != "" {
		t.Errorf("the event changed on its way (-accepted +delivered):\n%s", diff)
	}
	want := events.Delivery{
		Seq: 1, Group: "default", Priority: events.Normal, Contact: b.ContactHash("e:ann@example.com"), First: true, Received: e.Received,
		Size: got[0].Size, Event: got[0].Event,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("delivery (-want +got):\n%s", diff)
	}
	read, err := b.EventBySeq(context.Background(), 1)
	if err != nil || read.ID != e.ID {
		t.Errorf("EventBySeq: %v, %v", read, err)
	}
	if _, err := b.EventBySeq(context.Background(), 99); !errors.Is(err, ErrUnknownEvent) {
		t.Errorf("a position that does not exist: %v", err)
	}
}

func TestAcceptTellsDuplicates(t *testing.T) {
	b := started(t, testOptions(t), done)
	a, c := event("1", "a@example.com"), event("2", "b@example.com")
	if got := accept(t, b.Queue, a, c, a); !cmp.Equal(got, []bool{false, false, true}) {
		t.Errorf("one of a batch twice: %v", got)
	}
	if got := accept(t, b.Queue, a); !cmp.Equal(got, []bool{true}) {
		t.Errorf("again: %v", got)
	}
	other := a
	other.Source = "shop2"
	if got := accept(t, b.Queue, other, c); !cmp.Equal(got, []bool{false, true}) {
		t.Errorf("the same id of another source is another event: %v", got)
	}
	eventually(t, "three events are done", func() bool { return len(b.groups.all()) == 3 })
}

// TestLateResend: what the memory of Accept does not know any more is recognised behind the line.
func TestLateResend(t *testing.T) {
	b := started(t, testOptions(t), done)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
	b = b.restart(t)
	if got := accept(t, b.Queue, e); got[0] {
		t.Fatal("a new process cannot know it in front of the line")
	}
	after := event("2", "a@example.com")
	accept(t, b.Queue, after)
	eventually(t, "the event behind it is done", func() bool { return b.index.last(after.Key()) == "done" })
	if got := b.groups.all(); len(got) != 1 || got[0].Event.ID != "2" {
		t.Errorf("delivered again: %v", got)
	}
	if n := b.Resends(); n != 1 {
		t.Errorf("%d resends are counted, want 1", n)
	}
}

func TestAcceptManyAtOnce(t *testing.T) {
	t.Parallel()
	b := started(t, testOptions(t), done)
	const callers, each = 32, 20
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				e := event(fmt.Sprintf("%d-%d", c, i), fmt.Sprintf("c%d@example.com", c))
				if _, err := b.Accept(context.Background(), []events.Event{e}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	eventually(t, "all are delivered", func() bool { return len(b.groups.all()) == callers*each })
	seen := map[string]int{}
	for _, d := range b.groups.all() {
		var c, i int
		if _, err := fmt.Sscanf(d.Event.ID, "%d-%d", &c, &i); err != nil {
			t.Fatal(err)
		}
		if seen[d.Contact] != i {
			t.Fatalf("contact %d: event %d came as number %d", c, i, seen[d.Contact])
		}
		seen[d.Contact]++
	}
}

func TestAcceptRefusesWhatItCannotKeep(t *testing.T) {
	q := openQueue(t, testOptions(t))
	ctx := context.Background()
	for name, change := range map[string]func(*events.Event){
		"account with a wildcard": func(e *events.Event) { e.Account = "a.>" },
		"no source":               func(e *events.Event) { e.Source = "" },
		"no id":                   func(e *events.Event) { e.ID = "" },
		"no type":                 func(e *events.Event) { e.Type = "" },
	} {
		e := event("1", "a@example.com")
		change(&e)
		if _, err := q.Accept(ctx, []events.Event{e}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	big := event("1", "a@example.com")
	big.Data.Raw = json.RawMessage(`"` + string(make([]byte, maxPayload)) + `"`)
	for i := range big.Data.Raw[1 : len(big.Data.Raw)-1] {
		big.Data.Raw[i+1] = 'x'
	}
	if _, err := q.Accept(ctx, []events.Event{big}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	closeQueue(t, q)
	if _, err := q.Accept(ctx, []events.Event{event("1", "a@example.com")}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}

func TestUnknownAccountFails(t *testing.T) {
	b := started(t, testOptions(t), done)
	e := event("1", "a@example.com")
	e.Account = "unknown"
	accept(t, b.Queue, e)
	eventually(t, "failed", func() bool { return b.index.last(e.Key()) == "failed/config" })
	slots := b.slots(t)
	if len(slots) != 1 || slots[0].Key != e.Key() || slots[0].Event == nil || slots[0].Event.ID != "1" {
		t.Errorf("failed: %+v", slots)
	}
}

func TestIngest(t *testing.T) {
	b := started(t, testOptions(t), done)
	ctx := context.Background()
	good := event("n1", "a@example.com")
	good.Account, good.Source = "someone-else", "lies" // the subject decides
	body, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.js.Publish(ctx, "ingest.default.crm", body); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []*nats.Msg{
		{Subject: "ingest.default.crm", Data: []byte("no event")},
		{Subject: "ingest.default.crm", Data: body, Header: nats.Header{"reject": {"the clock is wrong"}}},
		{Subject: "ingest.*.crm", Data: body},
		{Subject: "ingest.default.crm", Data: []byte(`{"specversion":"1.0","id":"n2","type":"t","time":"2026-01-01T00:00:00+24:00"}`)}, // can be read, but not written
	} {
		if _, err := b.js.PublishMsg(ctx, bad); err != nil {
			t.Fatal(err)
		}
	}
	key := events.KeyOf("default", "crm", "n1")
	eventually(t, "the good one is done", func() bool { return b.index.last(key) == "done" })
	var slots []Slot
	eventually(t, "the others failed", func() bool {
		slots = b.slots(t)
		return len(slots) == 4
	})
	for _, s := range slots {
		if s.Reason != events.BadSchema || s.Raw == nil || s.Detail == "" {
			t.Errorf("failed: %+v", s)
		}
		if about := s.about(); about == nil || about.Source != "crm" || !strings.HasPrefix(about.ID, "ingest:") || about.Type != events.Unreadable {
			t.Errorf("lists are told %+v", about)
		}
		if m, err := b.Message(ctx, s.Account, s.Key); err != nil || m == nil || m.Subject != s.Raw.Subject || string(m.Body) != string(s.Raw.Body) {
			t.Errorf("what came is %+v, %v", m, err)
		}
		if string(s.Raw.Body) == string(body) && !strings.Contains(s.Detail, `its own id: "n1"`) && s.Account == "default" {
			t.Errorf("the publisher does not find its event by %q", s.Detail)
		}
	}
	eventually(t, "all are acknowledged", func() bool {
		info, err := b.streams[streamIngest].Info(ctx)
		return err == nil && info.State.Msgs == 0
	})
}

func TestVerdicts(t *testing.T) {
	var mu sync.Mutex
	round := map[string]int{}
	b := started(t, testOptions(t), nil)
	b.groups.decide = nil
	for _, id := range []string{"retry", "bury", "doubt", "discarded"} {
		accept(t, b.Queue, event(id, id+"@example.com"))
	}
	eventually(t, "all are in hand", func() bool { return len(b.groups.all()) == 4 })
	h := b.groups.hands(0)
	until := time.Now().Add(time.Hour).UTC()
	for i, d := range h.deliveries() {
		mu.Lock()
		round[d.Event.ID]++
		mu.Unlock()
		v := map[string]events.Verdict{
			"retry":     {Kind: events.VerdictRetry, Reason: events.RetryWait, Until: until, Attempt: 1},
			"bury":      {Kind: events.VerdictBury, Reason: events.KeapRejected, Detail: "no"},
			"doubt":     {Kind: events.VerdictDoubt, Reason: events.UnknownOutcome, Step: "r/order#1"},
			"discarded": {Kind: events.VerdictDone, Reason: events.Discarded},
		}[d.Event.ID]
		if err := h.settle[i](context.Background(), v); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{"retry": "parked/retry", "bury": "failed/keap.rejected", "doubt": "in_doubt/unknown_outcome", "discarded": "discarded/discarded"}
	for id, state := range want {
		eventually(t, id+" is "+state, func() bool { return b.index.last(events.KeyOf("default", "shop", id)) == state })
	}
	if slots := b.slots(t); len(slots) != 2 {
		t.Errorf("slots: %+v", slots)
	}
	// The parked one is the only one left, and a restart delivers it again: not first any more.
	b = b.restart(t)
	eventually(t, "the parked one is delivered again", func() bool { return len(b.groups.all()) == 1 })
	if d := b.groups.all()[0]; d.Event.ID != "retry" || d.First {
		t.Errorf("delivered after a restart: %+v", d)
	}
}

func TestUrgentFindsRoom(t *testing.T) {
	opt := testOptions(t)
	const hands = 20
	b := &bench{Queue: openQueue(t, opt), groups: &testGroups{limit: hands}, front: &testFront{}}
	b.start(t)
	for i := range 30 {
		e := event(fmt.Sprintf("bulk-%d", i), fmt.Sprintf("b%d@example.com", i))
		e.Priority = "bulk"
		accept(t, b.Queue, e)
	}
	eventually(t, "bulk fills its share", func() bool { return len(b.groups.all()) == hands*laneShare[events.Bulk]/100 })
	e := event("urgent", "u@example.com")
	e.Priority = "urgent"
	accept(t, b.Queue, e)
	eventually(t, "the urgent one is in hand", func() bool {
		got := b.groups.all()
		return got[len(got)-1].Event.ID == "urgent"
	})
}

// TestBehindTheHands: whoever works a group is told how much more waited when the last delivery was taken.
func TestBehindTheHands(t *testing.T) {
	const hands, share = 20, 7
	opt := testOptions(t)
	b := &bench{Queue: openQueue(t, opt), groups: &testGroups{limit: hands}, front: &testFront{}}
	b.start(t)
	for i := range 30 {
		e := event(fmt.Sprintf("bulk-%d", i), fmt.Sprintf("b%d@example.com", i))
		e.Priority = "bulk"
		accept(t, b.Queue, e)
	}
	eventually(t, "bulk fills its share", func() bool { return len(b.groups.all()) == share })
	b.stop(t)
	b = &bench{Queue: openQueue(t, opt), groups: &testGroups{limit: hands}, front: &testFront{}}
	b.start(t)
	eventually(t, "the rest is told", func() bool {
		h := b.groups.hands(0)
		if h == nil || len(b.groups.all()) < share {
			return false
		}
		n := h.lease.(Backlog).Behind()[events.Bulk]
		return n > 0 && n <= 30-share
	})
}
