package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bridge/internal/events"
)

func TestMain(m *testing.M) {
	if run := os.Getenv(childEnv); run != "" {
		os.Exit(child(run))
	}
	// The server's clock for access times is one per process and ends a moment after the last store.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// patience is how long a test waits for what has to happen; nothing takes nearly as long.
const patience = 40 * time.Second

// eventually waits until ok, which is asked again and again.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", patience, what)
		case <-tick.C:
		}
	}
}

func testLog(t testing.TB) *slog.Logger {
	if os.Getenv("QUEUE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func testOptions(t testing.TB) Options {
	return Options{DataDir: t.TempDir(), Logger: testLog(t), ParseIngest: parseTestIngest}
}

// parseTestIngest takes structured CloudEvents as the queue writes them.
func parseTestIngest(_, _ string, header http.Header, body []byte) (events.Event, error) {
	var e events.Event
	if header.Get("reject") != "" {
		return e, errors.New(header.Get("reject"))
	}
	return e, e.UnmarshalJSON(body)
}

func openQueue(t testing.TB, opt Options) *Queue {
	t.Helper()
	q, err := Open(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeQueue(t, q) })
	return q
}

func closeQueue(t testing.TB, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := q.Close(ctx); err != nil {
		t.Error(err)
	}
}

func event(id, email string) events.Event {
	now := time.Now().UTC()
	return events.Event{
		ID: id, Account: "default", Source: "shop", Kind: "woocommerce", Type: "order.paid", Time: now, Received: now,
		Data: events.Data{Contact: &events.Contact{Email: email}},
	}
}

func accept(t testing.TB, q *Queue, list ...events.Event) []bool {
	t.Helper()
	known, err := q.Accept(context.Background(), list)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// testFront sends every account to the group of its name, except "unknown".
type testFront struct {
	enrich func(*events.Event) error

	mu    sync.Mutex
	added map[string]bool
}

func (f *testFront) configure(account string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.added = map[string]bool{account: true}
}

func (f *testFront) Enrich(_ context.Context, e *events.Event) error { return f.enrich(e) }

func (f *testFront) Route(e *events.Event) (string, events.Priority, bool) {
	p, err := events.ParsePriority(e.Priority)
	if err != nil {
		panic(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return e.Account, p, e.Account != "unknown" || f.added["unknown"]
}

// testIndex is an index of the log that reads it through Tail.
type testIndex struct {
	mu       sync.Mutex
	keys     map[string]uint64
	at       events.Position
	records  []events.LogRecord
	done     chan struct{}
	cancel   context.CancelFunc
	finished error
}

func followIndex(q *Queue, from events.Position) *testIndex {
	ctx, cancel := context.WithCancel(context.Background())
	x := &testIndex{keys: map[string]uint64{}, at: from, done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(x.done)
		x.finished = q.Tail(ctx, from, x.add)
	}()
	return x
}

func (x *testIndex) add(list []events.LogRecord) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range list {
		if r.Event != nil {
			x.keys[r.Event.Key()] = r.Position.Events
		}
		x.at = r.Position
		x.records = append(x.records, r)
	}
	return nil
}

func (x *testIndex) stop(t testing.TB) {
	t.Helper()
	x.cancel()
	<-x.done
	if !errors.Is(x.finished, context.Canceled) {
		t.Errorf("Tail ended with %v", x.finished)
	}
}

func (x *testIndex) Position(context.Context) (events.Position, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.at, nil
}

func (x *testIndex) Lookup(_ context.Context, keys []string) (map[string]uint64, error) {
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

// seq is where an event stands in the log; 0 when it is not there.
func (x *testIndex) seq(key string) uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.keys[key]
}

// states lists what the outcomes say of each key, in order.
func (x *testIndex) states(key string) []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var list []string
	for _, r := range x.records {
		for _, o := range r.Outcomes {
			if o.Kind == events.OutcomeState && o.Key == key {
				list = append(list, strings.TrimSuffix(string(o.State)+"/"+string(o.Reason), "/"))
			}
		}
	}
	return list
}

func (x *testIndex) last(key string) string {
	list := x.states(key)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// testHands hold what they are given and ask decide for verdicts. Without decide everything stays in hand.
type testHands struct {
	group  string
	lease  Lease
	at     time.Time // of its opening
	limit  int
	decide func(events.Delivery) (events.Verdict, bool)
	freed  chan struct{}

	mu     sync.Mutex
	got    []events.Delivery
	settle []Settle
	closed bool
	errs   []error
	work   sync.WaitGroup
}

func (h *testHands) Room() (int, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.limit - len(h.got), 1 << 30
}

func (h *testHands) Freed() <-chan struct{} { return h.freed }

func (h *testHands) Take(d events.Delivery, settle Settle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got, h.settle = append(h.got, d), append(h.settle, settle)
	if h.decide == nil {
		return
	}
	h.work.Go(func() {
		if err := h.run(d, settle); err != nil {
			h.mu.Lock()
			h.errs = append(h.errs, err)
			h.mu.Unlock()
		}
	})
}

// run works a delivery until it is settled, or parked until a time that a test does not wait for.
func (h *testHands) run(d events.Delivery, settle Settle) error {
	for {
		v, ok := h.decide(d)
		if !ok {
			return nil
		}
		if err := settle(context.Background(), v); err != nil || v.State().Settled() || !v.Until.IsZero() {
			return err
		}
		h.mu.Lock()
		closed := h.closed
		h.mu.Unlock()
		if closed {
			return nil
		}
		d.First = false
	}
}

func (h *testHands) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.work.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *testHands) deliveries() []events.Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]events.Delivery(nil), h.got...)
}

// testGroups opens testHands and keeps all that it ever opened.
type testGroups struct {
	limit  int
	decide func(events.Delivery) (events.Verdict, bool)

	mu     sync.Mutex
	opened []*testHands
}

func (g *testGroups) Open(_ context.Context, group string, lease Lease) (Hands, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := &testHands{group: group, lease: lease, at: time.Now(), decide: g.decide, limit: max(g.limit, 1), freed: make(chan struct{}, 1)}
	if g.limit == 0 {
		h.limit = 1 << 20
	}
	g.opened = append(g.opened, h)
	return h, nil
}

func (g *testGroups) all() []events.Delivery {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []events.Delivery
	for _, h := range g.opened {
		list = append(list, h.deliveries()...)
	}
	return list
}

func (g *testGroups) hands(n int) *testHands {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n >= len(g.opened) {
		return nil
	}
	return g.opened[n]
}

func done(events.Delivery) (events.Verdict, bool) {
	return events.Verdict{Kind: events.VerdictDone}, true
}

// bench is a queue at work with everything around it.
type bench struct {
	*Queue
	groups *testGroups
	front  *testFront
	index  *testIndex
}

// started opens and starts a queue with hands that decide.
func started(t testing.TB, opt Options, decide func(events.Delivery) (events.Verdict, bool)) *bench {
	t.Helper()
	b := &bench{
		Queue: openQueue(t, opt), groups: &testGroups{decide: decide},
		front: &testFront{enrich: func(*events.Event) error { return fmt.Errorf("not expected") }},
	}
	b.start(t)
	return b
}

func (b *bench) start(t testing.TB) {
	t.Helper()
	b.index = followIndex(b.Queue, events.Position{})
	if err := b.Start(context.Background(), b.groups, b.front, b.index); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.stop(t) })
}

// stop ends a bench as app would; it may be called again by the clean-up.
func (b *bench) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		t.Error(err)
	}
	b.index.stop(t)
	closeQueue(t, b.Queue)
}

// restart opens the same store again.
func (b *bench) restart(t testing.TB) *bench {
	t.Helper()
	b.stop(t)
	opt := b.opt
	next := &bench{Queue: openQueue(t, opt), groups: &testGroups{decide: b.groups.decide}, front: b.front}
	next.start(t)
	return next
}
