package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"bridge/internal/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// world is a fake of both ends of a Lane: it handles deliveries, settles them and checks the laws of order.
type world struct {
	t       *testing.T
	mu      sync.Mutex
	handle  func(d events.Delivery) events.Verdict
	took    time.Duration
	busy    map[string]bool
	settled []events.Delivery
	parks   int
}

func newWorld(t *testing.T) *world { return &world{t: t, busy: map[string]bool{}} }

func (w *world) Handle(_ context.Context, d events.Delivery) events.Verdict {
	w.mu.Lock()
	if d.Contact != "" && w.busy[d.Contact] {
		w.t.Errorf("two events of %s at once", d.Contact)
	}
	w.busy[d.Contact] = true
	w.mu.Unlock()
	time.Sleep(w.took)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[d.Contact] = false
	return w.handle(d)
}

func (w *world) EventBySeq(_ context.Context, seq uint64) (*events.Event, error) {
	return &events.Event{ID: fmt.Sprint(seq), Data: body(seq)}, nil
}

func body(seq uint64) events.Data {
	return events.Data{Raw: fmt.Appendf(nil, `{"seq":%d}`, seq)}
}

func (w *world) take(l *Lane, d events.Delivery) {
	d.Event.ID, d.Event.Data, d.Size = fmt.Sprint(d.Seq), body(d.Seq), 1000
	l.Take(d, func(_ context.Context, v events.Verdict) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if v.State() == events.Parked {
			w.parks++
		} else {
			w.settled = append(w.settled, d)
		}
		return nil
	})
}

// TestLaneKeepsOrder feeds random deliveries that park at random, and checks every law at the end.
func TestLaneKeepsOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		verdicts := rand.New(rand.NewPCG(seed, 2)) // used under the world's mutex
		w := newWorld(t)
		w.took = 10 * time.Millisecond
		w.handle = func(d events.Delivery) events.Verdict {
			if string(d.Event.Data.Raw) != string(body(d.Seq).Raw) {
				t.Errorf("event %d came without its body", d.Seq)
			}
			switch verdicts.IntN(4) {
			case 0:
				return events.Verdict{Kind: events.VerdictRetry, Until: time.Now().Add(time.Duration(verdicts.IntN(5000)) * time.Millisecond), Attempt: d.Attempt + 1}
			case 1:
				return events.Verdict{Kind: events.VerdictBury}
			}
			return events.Verdict{Kind: events.VerdictDone}
		}
		l := NewLane(w, w, DefaultLimits, quiet)
		const n = 600
		for seq := uint64(1); seq <= n; seq++ {
			d := events.Delivery{Seq: seq, Contact: fmt.Sprintf("c%d", rnd.IntN(40)), Priority: events.Priority(rnd.IntN(3))}
			if rnd.IntN(20) == 0 {
				d.Contact = ""
			}
			w.take(l, d)
			time.Sleep(time.Duration(rnd.IntN(3)) * time.Millisecond)
		}
		synctest.Wait()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := len(w.settled); got != n {
			t.Fatalf("%d of %d settled", got, n)
		}
		if w.parks == 0 {
			t.Error("nothing parked: the test tests nothing")
		}
		last := map[string]uint64{}
		for _, d := range w.settled {
			key := d.Contact + "/" + d.Priority.String()
			if d.Contact != "" && d.Seq < last[key] {
				t.Errorf("%s: event %d settled after %d", key, d.Seq, last[key])
			}
			last[key] = d.Seq
		}
		if deliveries, bytes := l.Room(); deliveries != DefaultLimits.Deliveries || bytes != DefaultLimits.Bytes || l.parked != 0 || len(l.lines) != 0 {
			t.Errorf("not empty at the end: room %d/%d, parked %d, lines %d", deliveries, bytes, l.parked, len(l.lines))
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestParkedHoldsUpItsContactOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(d events.Delivery) events.Verdict {
			if d.Seq == 1 && d.Attempt == 0 {
				return events.Verdict{Kind: events.VerdictRetry, Until: time.Now().Add(time.Hour), Attempt: 1}
			}
			return events.Verdict{Kind: events.VerdictDone}
		}
		l := NewLane(w, w, DefaultLimits, quiet)
		defer l.Close(t.Context())
		w.take(l, events.Delivery{Seq: 1, Contact: "a", Priority: events.Normal})
		synctest.Wait()
		w.take(l, events.Delivery{Seq: 2, Contact: "a", Priority: events.Normal})
		w.take(l, events.Delivery{Seq: 3, Contact: "b", Priority: events.Normal})
		w.take(l, events.Delivery{Seq: 4, Contact: "a", Priority: events.Urgent})
		w.take(l, events.Delivery{Seq: 5, Contact: "a", Priority: events.Normal, Replay: "job"})
		synctest.Wait()
		if got, want := w.seqs(), []uint64{3, 4, 5}; !slices.Equal(sorted(got), want) {
			t.Errorf("settled while 1 is parked: %v, want %v", got, want)
		}
		if deliveries, _ := l.Room(); deliveries != DefaultLimits.Deliveries {
			t.Errorf("parked events take up %d places of the look-ahead", DefaultLimits.Deliveries-deliveries)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got, want := w.seqs()[3:], []uint64{1, 2}; !slices.Equal(got, want) {
			t.Errorf("settled after the park: %v, want %v", got, want)
		}
	})
}

// TestRunningEventsHoldNoBody: how much senders say does not bound how many events run side by side, and what runs again
// has its body all the same.
func TestRunningEventsHoldNoBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const large = 100_000
		w := newWorld(t)
		w.took = time.Hour
		parks := 0
		w.handle = func(d events.Delivery) events.Verdict {
			if string(d.Event.Data.Raw) != string(body(d.Seq).Raw) {
				t.Errorf("event %d was handled with the body %s", d.Seq, d.Event.Data.Raw)
			}
			if parks++; parks == 1 {
				return events.Verdict{Kind: events.VerdictSnooze, Until: time.Now().Add(time.Hour)}
			}
			return events.Verdict{Kind: events.VerdictDone}
		}
		l := NewLane(w, w, Limits{Deliveries: 10, Bytes: 2 * large, Parked: 10}, quiet)
		for seq := range uint64(5) {
			d := events.Delivery{Seq: seq, Size: large}
			d.Event.ID, d.Event.Data = fmt.Sprint(seq), body(seq)
			l.Take(d, func(context.Context, events.Verdict) error { return nil })
		}
		if _, bytes := l.Room(); bytes != 2*large-5*plannedSize {
			t.Errorf("room for %d bytes while five run", bytes)
		}
		time.Sleep(4 * time.Hour)
		if deliveries, bytes := l.Room(); deliveries != 10 || bytes != 2*large || parks != 6 {
			t.Errorf("room for %d deliveries and %d bytes at the end, %d runs", deliveries, bytes, parks)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRoomIsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.took = time.Hour
		w.handle = func(events.Delivery) events.Verdict { return events.Verdict{Kind: events.VerdictDone} }
		l := NewLane(w, w, Limits{Deliveries: 3, Bytes: 2500, Parked: 10}, quiet)
		w.take(l, events.Delivery{Seq: 1})
		w.take(l, events.Delivery{Seq: 2})
		if deliveries, bytes := l.Room(); deliveries != 1 || bytes != 500 {
			t.Errorf("Room() = %d, %d, want 1, 500", deliveries, bytes)
		}
		time.Sleep(2 * time.Hour)
		select {
		case <-l.Freed():
		default:
			t.Error("no signal after room was made")
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if deliveries, bytes := l.Room(); deliveries != 0 || bytes != 0 {
			t.Errorf("a closed lane has room for %d, %d", deliveries, bytes)
		}
	})
}

func TestCloseDropsWhatIsNotFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		l := NewLane(ctxHandler{}, w, DefaultLimits, quiet)
		settled := 0
		for seq := range uint64(5) {
			l.Take(events.Delivery{Seq: seq}, func(context.Context, events.Verdict) error { settled++; return nil })
		}
		synctest.Wait()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if settled != 0 {
			t.Errorf("%d events settled by a stop", settled)
		}
	})
}

// ctxHandler waits until it is stopped, as a worker does that waits for quota.
type ctxHandler struct{}

func (ctxHandler) Handle(ctx context.Context, _ events.Delivery) events.Verdict {
	<-ctx.Done()
	return events.Verdict{Kind: events.VerdictSnooze, Reason: events.ShuttingDown}
}

func (w *world) seqs() []uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s []uint64
	for _, d := range w.settled {
		s = append(s, d.Seq)
	}
	return s
}

func sorted(s []uint64) []uint64 {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func TestPanicFailsItsEventOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(events.Delivery) events.Verdict { return events.Verdict{Kind: events.VerdictDone} }
		l := NewLane(panics{w}, w, DefaultLimits, quiet)
		var states []events.State
		for seq := range uint64(3) {
			l.Take(events.Delivery{Seq: seq, Contact: "a"}, func(_ context.Context, v events.Verdict) error {
				states = append(states, v.State())
				return nil
			})
		}
		synctest.Wait()
		if want := []events.State{events.Done, events.Failed, events.Done}; !slices.Equal(states, want) {
			t.Errorf("%v, want %v", states, want)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// panics cannot handle the second event.
type panics struct{ *world }

func (p panics) Handle(ctx context.Context, d events.Delivery) events.Verdict {
	if d.Seq == 1 {
		panic("a mistake")
	}
	return p.world.Handle(ctx, d)
}

// TestParkedEventThatCannotBeReadIsTriedAgain: a log that is away for a moment must not strand what it holds.
func TestParkedEventThatCannotBeReadIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.handle = func(d events.Delivery) events.Verdict {
			if d.Attempt == 0 {
				return events.Verdict{Kind: events.VerdictRetry, Until: time.Now().Add(time.Minute), Attempt: 1}
			}
			return events.Verdict{Kind: events.VerdictDone}
		}
		log := &flakyLog{world: w, fails: 2}
		l := NewLane(w, log, DefaultLimits, quiet)
		w.take(l, events.Delivery{Seq: 1, Contact: "a"})
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(w.settled) != 1 || log.fails != 0 {
			t.Errorf("%d settled, %d failures left", len(w.settled), log.fails)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// flakyLog fails a few times before it answers.
type flakyLog struct {
	*world
	fails int
}

func (f *flakyLog) EventBySeq(ctx context.Context, seq uint64) (*events.Event, error) {
	if f.fails > 0 {
		f.fails--
		return nil, errors.New("away")
	}
	return f.world.EventBySeq(ctx, seq)
}
