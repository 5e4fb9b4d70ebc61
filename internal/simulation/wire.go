package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// A request reaches Keap between 20 and 35 ms after it is written; the rest of a call's time passes there and on the
// way back. So requests that leave in step arrive up to 15 ms out of step.
const (
	leastWayOut = 20 * time.Millisecond
	moreWayOut  = 15 * time.Millisecond
)

// errCut is what a process sees of the network once it was killed.
var errCut = errors.New("the process is dead")

// wire is the way from one process to Keap: it takes time, and it tells the client when a request is out, as
// net/http does. What is out arrives, whatever becomes of the process.
type wire struct {
	keap  http.RoundTripper
	least time.Duration // of a whole call
	more  time.Duration // on average, exponential

	dead atomic.Bool

	mu  sync.Mutex
	rng *rand.Rand
}

func (w *wire) draw() (out, back time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out = leastWayOut + time.Duration(w.rng.Int64N(int64(moreWayOut)))
	all := w.least + time.Duration(w.rng.ExpFloat64()*float64(w.more))
	return out, all - out
}

// float draws a number in [0, 1).
func (w *wire) float() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64()
}

// RoundTrip carries one request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.dead.Load() {
		return nil, errCut
	}
	out, back := w.draw()
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GetConn(r.URL.Host)
		trace.WroteHeaders()
	}
	time.Sleep(out)
	resp, err := w.keap.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := pause(r.Context(), back); err != nil {
		return nil, err
	}
	if w.dead.Load() {
		return nil, errCut
	}
	return resp, nil
}

// pause waits under ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
