package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/queue"
)

// shelf is a queue under test: the one in memory that days run on, or the durable one.
type shelf interface {
	accept(t *testing.T, list ...events.Event)
	// begin makes the hands the owner of the group, as a process that starts does; end is its end.
	begin(t *testing.T, hands *hands) (end func())
	memory() memory
}

// memory is what a process remembers with.
type memory interface {
	LoadJournal(ctx context.Context, account, key string) (events.Journal, error)
	SavePlan(ctx context.Context, account, key string, plan events.Plan) error
	SaveMarks(ctx context.Context, account, key string, marks events.Marks) error
	Turn(ctx context.Context, account, name string) (uint64, error)
	Contact(ctx context.Context, group, contact string) ([]byte, bool, error)
	SaveContact(ctx context.Context, group, contact string, value []byte, ttl time.Duration) error
}

// hands keep what they are given.
type hands struct {
	limit int

	mu      sync.Mutex
	lease   queue.Lease
	got     []events.Delivery
	settles []queue.Settle
}

func (h *hands) Room() (deliveries, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limit - len(h.got), 1 << 30
}
func (h *hands) Freed() <-chan struct{}      { return nil }
func (h *hands) Close(context.Context) error { return nil }

func (h *hands) Take(d events.Delivery, settle queue.Settle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got, h.settles = append(h.got, d), append(h.settles, settle)
}

// wait waits until n deliveries are there.
func (h *hands) wait(t *testing.T, n int) []events.Delivery {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); ; {
		h.mu.Lock()
		got := slices.Clone(h.got)
		h.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-deadline:
			t.Fatalf("%d of %d deliveries", len(got), n)
		case <-tick.C:
		}
	}
}

func (h *hands) settle(t *testing.T, n int, v events.Verdict) {
	t.Helper()
	if err := h.settles[n](t.Context(), v); err != nil {
		t.Fatal(err)
	}
}

// TestQueuesAgree puts both queues through the same.
func TestQueuesAgree(t *testing.T) {
	shelves := map[string]func(*testing.T) shelf{
		"in memory": func(*testing.T) shelf { return newMemoryShelf() },
		"durable":   func(t *testing.T) shelf { return newDurableShelf(t) },
	}
	for name, make := range shelves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("order and first", func(t *testing.T) { keepsOrder(t, make(t)) })
			t.Run("the next owner", func(t *testing.T) { goesOn(t, make(t)) })
			t.Run("room for what is urgent", func(t *testing.T) { leavesRoom(t, make(t)) })
			t.Run("memory", func(t *testing.T) { remembers(t, make(t)) })
		})
	}
}

func mail(n int, p events.Priority) events.Event {
	now := time.Now()
	return events.Event{
		ID: fmt.Sprintf("%s-%d", p, n), Account: account, Source: source, Kind: "generic", Type: "lead.submitted", Time: now, Received: now,
		Priority: p.String(), Data: events.Data{Contact: &events.Contact{Email: Email(n % 7)}},
	}
}

func keepsOrder(t *testing.T, s shelf) {
	h := &hands{limit: 1000}
	defer s.begin(t, h)()
	const each = 20
	for n := range each {
		s.accept(t, mail(n, events.Bulk), mail(n, events.Urgent), mail(n, events.Normal))
	}
	next := map[events.Priority]int{}
	for _, d := range h.wait(t, 3*each) {
		if want := fmt.Sprintf("%s-%d", d.Priority, next[d.Priority]); d.Event.ID != want || !d.First || d.Contact == "" {
			t.Errorf("%s (first %t), want %s", d.Event.ID, d.First, want)
		}
		next[d.Priority]++
	}
}

// goesOn: what one owner has settled is gone, the rest comes to the next, who finds the ledger and the attempts.
func goesOn(t *testing.T, s shelf) {
	former := &hands{limit: 1000}
	end := s.begin(t, former)
	s.accept(t, mail(0, events.Normal), mail(1, events.Normal), mail(2, events.Normal), mail(3, events.Normal))
	got := former.wait(t, 4)
	parked := events.Marks{Attempts: 3, NotBefore: time.Now().Add(time.Hour).Round(time.Second).UTC()}
	if err := s.memory().SaveMarks(t.Context(), account, got[1].Event.Key(), parked); err != nil {
		t.Fatal(err)
	}
	if err := former.lease.SaveLedger(t.Context(), []byte(`"spent"`)); err != nil {
		t.Fatal(err)
	}
	former.settle(t, 0, events.Verdict{Kind: events.VerdictDone})
	former.settle(t, 1, events.Verdict{Kind: events.VerdictRetry, Reason: events.RetryWait, Until: parked.NotBefore, Attempt: 3})
	former.settle(t, 3, events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected})
	end()

	heir := &hands{limit: 1000}
	defer s.begin(t, heir)()
	left := heir.wait(t, 2)
	if len(left) != 2 || left[0].Event.ID != "normal-1" || left[1].Event.ID != "normal-2" || left[1].First {
		t.Fatalf("the next owner got %d: %+v", len(left), left)
	}
	if d := left[0]; d.First || d.Attempt != 3 || !d.NotBefore.Equal(parked.NotBefore) {
		t.Errorf("parked: first %t, attempt %d, not before %s", d.First, d.Attempt, d.NotBefore)
	}
	if heir.lease.Epoch() <= former.lease.Epoch() || former.lease.Valid() {
		t.Errorf("epochs %d, %d; the former lease is valid: %t", former.lease.Epoch(), heir.lease.Epoch(), former.lease.Valid())
	}
	if state, err := heir.lease.Ledger(t.Context()); err != nil || string(state) != `"spent"` {
		t.Errorf("ledger %q, %v", state, err)
	}
	if err := former.lease.SaveLedger(t.Context(), []byte(`"late"`)); err == nil {
		t.Error("the former owner stored a ledger")
	}
	if err := former.settles[2](t.Context(), events.Verdict{Kind: events.VerdictDone}); err == nil {
		t.Error("the former owner settled an event")
	}
}

// leavesRoom: bulk work that fills the hands as far as it may does not keep urgent work waiting.
func leavesRoom(t *testing.T, s shelf) {
	h := &hands{limit: 40}
	defer s.begin(t, h)()
	var list []events.Event
	for n := range 60 {
		list = append(list, mail(n, events.Bulk))
	}
	s.accept(t, list...)
	bulk := len(h.wait(t, 40*laneShare[events.Bulk]/100))
	s.accept(t, mail(0, events.Urgent))
	if all := h.wait(t, bulk+1); all[len(all)-1].Priority != events.Urgent {
		t.Errorf("%s came, not what is urgent", all[len(all)-1].Event.ID)
	}
}

func remembers(t *testing.T, s shelf) {
	h := &hands{limit: 10}
	end := s.begin(t, h)
	ctx, e := t.Context(), mail(0, events.Normal)
	s.accept(t, e)
	h.wait(t, 1)
	plan := events.Plan{Rules: []string{"lead"}, Steps: []events.Step{{ID: "a", Do: events.DoTag, Target: "x"}}}
	marks := events.Marks{Contact: "7", Steps: map[string]events.Mark{"a": {State: events.StepIntended}}}
	if err := s.memory().SavePlan(ctx, account, e.Key(), plan); err != nil {
		t.Fatal(err)
	}
	if err := s.memory().SaveMarks(ctx, account, e.Key(), marks); err != nil {
		t.Fatal(err)
	}
	marks.Steps["a"] = events.Mark{State: events.StepDone} // what is stored must not change with it
	if err := s.memory().SaveContact(ctx, group, "somebody", []byte("seen"), time.Hour); err != nil {
		t.Fatal(err)
	}
	var turns []uint64
	for range 3 {
		n, err := s.memory().Turn(ctx, account, "owner")
		if err != nil {
			t.Fatal(err)
		}
		turns = append(turns, n)
	}
	end()
	defer s.begin(t, &hands{limit: 10})()
	j, err := s.memory().LoadJournal(ctx, account, e.Key())
	if err != nil || j.Plan == nil || j.Plan.Steps[0].Target != "x" || j.Marks.Contact != "7" || j.Marks.Steps["a"].State != events.StepIntended {
		t.Errorf("journal %+v, %v", j, err)
	}
	if value, known, err := s.memory().Contact(ctx, group, "somebody"); string(value) != "seen" || !known || err != nil {
		t.Errorf("contact %q, %t, %v", value, known, err)
	}
	if _, known, err := s.memory().Contact(ctx, group, "nobody"); known || err != nil {
		t.Errorf("somebody unknown: %t, %v", known, err)
	}
	if !slices.Equal(turns, []uint64{0, 1, 2}) {
		t.Errorf("turns %v", turns)
	}
}

// memoryShelf is the inbox of the simulated days.
type memoryShelf struct {
	inbox *inbox
	view  *view
	n     int
}

func newMemoryShelf() *memoryShelf { return &memoryShelf{inbox: newInbox(newStore())} }

func (s *memoryShelf) accept(_ *testing.T, list ...events.Event) {
	for _, e := range list {
		p, _ := events.ParsePriority(e.Priority)
		s.inbox.add(&entry{Arrival: &Arrival{N: s.n, At: e.Time, Priority: p}, event: e, contact: e.OrderKey(), lane: p})
		s.n++
	}
}

func (s *memoryShelf) begin(_ *testing.T, h *hands) func() {
	l := s.inbox.own()
	h.lease, s.view = l, &view{store: s.inbox.store, lease: l, known: map[string]int{}}
	quit := make(chan struct{})
	var served sync.WaitGroup
	served.Go(func() { s.inbox.serve(l, h, quit) })
	return func() {
		close(quit)
		served.Wait()
		s.inbox.own()
	}
}

func (s *memoryShelf) memory() memory { return s.view }

// durableShelf is package queue with a server in the same process.
type durableShelf struct {
	opt   queue.Options
	queue *queue.Queue
	hands *hands
}

func newDurableShelf(t *testing.T) *durableShelf {
	return &durableShelf{opt: queue.Options{DataDir: t.TempDir(), Fsync: queue.FsyncInterval, Logger: slog.New(slog.DiscardHandler), ParseIngest: noIngest}}
}

func noIngest(string, string, http.Header, []byte) (events.Event, error) {
	return events.Event{}, fmt.Errorf("nobody publishes here")
}

func (s *durableShelf) accept(t *testing.T, list ...events.Event) {
	if _, err := s.queue.Accept(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

func (s *durableShelf) begin(t *testing.T, h *hands) func() {
	ctx := context.Background()
	q, err := queue.Open(ctx, s.opt)
	if err != nil {
		t.Fatal(err)
	}
	s.queue, s.hands = q, h
	ids := &keyIndex{keys: map[string]uint64{}}
	following, stop := context.WithCancel(ctx)
	var followed sync.WaitGroup
	followed.Go(func() { _ = q.Tail(following, events.Position{}, ids.add) }) // ends with following
	if err := q.Start(ctx, s, s, ids); err != nil {
		t.Fatal(err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Error(err)
		}
		stop()
		followed.Wait()
		if err := q.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

func (s *durableShelf) memory() memory { return s.queue }

// Open is part of queue.Groups.
func (s *durableShelf) Open(_ context.Context, _ string, l queue.Lease) (queue.Hands, error) {
	s.hands.mu.Lock()
	defer s.hands.mu.Unlock()
	s.hands.lease = l
	return s.hands, nil
}

// Enrich is part of queue.Front.
func (s *durableShelf) Enrich(context.Context, *events.Event) error { return nil }

// Route is part of queue.Front.
func (s *durableShelf) Route(e *events.Event) (string, events.Priority, bool) {
	p, err := events.ParsePriority(e.Priority)
	return group, p, err == nil && strings.HasPrefix(e.Account, account)
}

// keyIndex is a queue.IDs.
type keyIndex struct {
	mu   sync.Mutex
	keys map[string]uint64
	at   events.Position
}

func (x *keyIndex) add(list []events.LogRecord) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range list {
		if r.Event != nil {
			x.keys[r.Event.Key()] = r.Position.Events
		}
		x.at = r.Position
	}
	return nil
}

// Position is part of queue.IDs.
func (x *keyIndex) Position(context.Context) (events.Position, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.at, nil
}

// Lookup is part of queue.IDs.
func (x *keyIndex) Lookup(_ context.Context, keys []string) (map[string]uint64, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	found := map[string]uint64{}
	for _, k := range keys {
		if seq, ok := x.keys[k]; ok {
			found[k] = seq
		}
	}
	return found, nil
}
