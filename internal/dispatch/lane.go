package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"bridge/internal/events"
)

// Handler handles one delivery once; *Worker is one.
type Handler interface {
	Handle(ctx context.Context, d events.Delivery) events.Verdict
}

// Reloader reads an event again whose body a parked delivery has let go; nil when it was erased.
type Reloader interface {
	EventBySeq(ctx context.Context, seq uint64) (*events.Event, error)
}

// Limits bound what one Lane holds.
type Limits struct {
	Deliveries int // that may run now or as soon as their contact is free
	Bytes      int // their events' size
	Parked     int // parked deliveries and those in line behind them; they hold no event body
}

// DefaultLimits are those of the house: enough look-ahead for full columns, small enough for a thousand groups.
var DefaultLimits = Limits{Deliveries: 2000, Bytes: 4 << 20, Parked: 50_000}

// What a delivery is counted as when the lane has no body of it: while it is parked, and at most while it runs, when its
// plan is all that is held. So what may run side by side does not depend on how much senders say.
const (
	strippedSize = 512
	plannedSize  = 2 << 10
)

// Lane holds the deliveries of one quota group. Within a priority a contact's events run one after another, in
// log order, and a parked one holds up those behind it; over all priorities at most one event of a contact runs at a
// time; contacts run side by side. Replays have a line of their own: they wait for each other, and not for what comes
// for the first time. Safe for concurrent use.
type Lane struct {
	handler Handler
	reload  Reloader
	limits  Limits
	log     *slog.Logger
	freed   chan struct{}

	work context.Context // ends when what runs has to stop
	stop context.CancelFunc
	runs sync.WaitGroup

	mu     sync.Mutex // guards all below
	closed bool
	lines  map[string]*line
	serial uint64 // names the lines of deliveries that wait for nobody
	active int    // deliveries not parked
	bytes  int
	parked int
}

// line is one contact's deliveries.
type line struct {
	queues  [len(events.Priorities) + 1][]*held // the last one holds replays
	running *held
	dropped bool // a verdict could not be recorded: nothing of this contact runs here any more
}

// held is one delivery in hand.
type held struct {
	events.Delivery
	settle   func(context.Context, events.Verdict) error
	full     int  // Size with the event's body
	stripped bool // the event's body was let go
	parked   bool // counted as parked
	due      time.Time
	reason   events.Reason // why it was parked
	timer    *time.Timer
}

// NewLane makes a Lane; Close ends it.
func NewLane(handler Handler, reload Reloader, limits Limits, log *slog.Logger) *Lane {
	work, stop := context.WithCancel(context.Background())
	return &Lane{
		handler: handler, reload: reload, limits: limits, log: log, freed: make(chan struct{}, 1),
		work: work, stop: stop, lines: map[string]*line{},
	}
}

// Room tells how many more deliveries and bytes may be taken now.
func (l *Lane) Room() (deliveries, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.parked >= l.limits.Parked {
		return 0, 0
	}
	return l.limits.Deliveries - l.active, l.limits.Bytes - l.bytes
}

// Freed delivers whenever Room may have grown.
func (l *Lane) Freed() <-chan struct{} { return l.freed }

// Take puts a delivery in line. It does not block. After Close it drops the delivery.
func (l *Lane) Take(d events.Delivery, settle func(context.Context, events.Verdict) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	name := d.Contact
	if name == "" {
		l.serial++
		name = "\x00" + strconv.FormatUint(l.serial, 10) // no hashed order key begins like this
	}
	ln := l.lines[name]
	if ln == nil {
		ln = &line{}
		l.lines[name] = ln
	}
	if ln.dropped {
		return
	}
	h := &held{Delivery: d, full: d.Size, settle: settle, due: d.NotBefore}
	q := queueOf(&d)
	ln.queues[q] = append(ln.queues[q], h)
	l.active++
	l.bytes += h.Size
	if head := ln.queues[q][0]; head.parked {
		l.parkLocked(h)
	} else if head == h && time.Until(h.due) > 0 {
		l.parkHeadLocked(name, ln, q)
	}
	l.runNextLocked(name, ln)
}

// queueOf is the index of the line's queue that a delivery belongs in.
func queueOf(d *events.Delivery) int {
	if d.Replay != "" {
		return len(events.Priorities)
	}
	return int(d.Priority)
}

// runNextLocked starts the most urgent runnable delivery of a line, if the contact is free.
func (l *Lane) runNextLocked(name string, ln *line) {
	if ln.running != nil || l.closed {
		return
	}
	empty := true
	for q := range ln.queues {
		if len(ln.queues[q]) == 0 {
			continue
		}
		empty = false
		if head := ln.queues[q][0]; !head.parked {
			ln.running = head
			l.runs.Add(1)
			go l.run(name, ln, q, head, l.handOverLocked(head))
			return
		}
	}
	if empty && !ln.dropped {
		delete(l.lines, name)
	}
}

// handOverLocked lets go of the body of a delivery that begins to run, and returns it; nil when it was let go before.
func (l *Lane) handOverLocked(h *held) *events.Data {
	var body *events.Data
	if !h.stripped {
		data := h.Event.Data
		body, h.stripped, h.Event.Data = &data, true, events.Data{}
	}
	size := min(h.full, plannedSize)
	l.bytes += size - h.Size
	h.Size = size
	l.signal()
	return body
}

// run handles the head of a queue once and acts on the verdict.
func (l *Lane) run(name string, ln *line, q int, h *held, body *events.Data) {
	defer l.runs.Done()
	v, err := l.handle(h, body)
	if err == nil {
		// What is finished is recorded even while the lane closes: otherwise it would be looked at once more.
		err = h.settle(context.WithoutCancel(l.work), v)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.running = nil
	h.First = false // its journal may hold something by now
	state := v.State()
	switch {
	case l.closed:
		return
	case err != nil:
		// Somebody else owns the group by now, or the queue is going down: what is not settled stays there, and
		// what stands behind it must not overtake it.
		if !errors.Is(err, context.Canceled) {
			l.log.Warn("a verdict could not be recorded; the event stays in the queue", "event", h.Event.ID, "err", err)
		}
		l.dropLineLocked(ln)
	case state == events.Parked:
		h.Attempt, h.due, h.reason = v.Attempt, v.Until, v.Reason
		l.parkHeadLocked(name, ln, q)
	default:
		l.dropHeadLocked(ln, q)
	}
	l.runNextLocked(name, ln)
	l.signal()
}

// handle runs the handler, with the event's body read again where it was let go.
func (l *Lane) handle(h *held, body *events.Data) (events.Verdict, error) {
	v := l.judged(h, body)
	if !v.State().Settled() {
		return v, l.work.Err() // stopped half-way: nothing to record, the next owner goes on
	}
	return v, nil
}

// judged is the handler's verdict. An event that cannot be read again is tried again a little later; a handler that
// panics fails its event and nobody else's: the event is durable, so the panic would come back with every start.
func (l *Lane) judged(h *held, body *events.Data) (v events.Verdict) {
	defer func() {
		if r := recover(); r != nil {
			l.log.Error("a worker panicked; its event failed", "event", h.Event.ID, "account", h.Event.Account, "panic", r, "stack", string(debug.Stack()))
			v = events.Verdict{
				Kind: events.VerdictBury, Reason: events.Internal, Attempt: h.Attempt, Err: fmt.Errorf("panic: %v", r),
				Detail: "a mistake of the bridge itself; the log has its place",
			}
		}
	}()
	d := h.Delivery // not used above: the body is held by nobody once the handler has no need of it
	if body != nil {
		d.Event.Data = *body
	} else {
		e, err := l.reload.EventBySeq(l.work, h.Seq)
		if err != nil {
			return events.Verdict{
				Kind: events.VerdictSnooze, Reason: events.RetryWait, Until: time.Now().Add(memoryRetry), Attempt: d.Attempt, Err: err,
				Detail: "the event cannot be read from the log just now",
			}
		}
		if e == nil {
			return events.Verdict{Kind: events.VerdictDone, Reason: events.Erased, Attempt: d.Attempt}
		}
		d.Event = *e
	}
	return l.handler.Handle(l.work, d)
}

// parkHeadLocked parks the head of a queue until it is due, and with it everything behind it.
func (l *Lane) parkHeadLocked(name string, ln *line, q int) {
	for _, h := range ln.queues[q] {
		l.parkLocked(h)
	}
	head := ln.queues[q][0]
	head.timer = time.AfterFunc(max(0, time.Until(head.due)), func() { l.wake(name, ln, q, head) })
}

// parkLocked counts a delivery as parked and lets its body go.
func (l *Lane) parkLocked(h *held) {
	if h.parked {
		return
	}
	h.parked = true
	l.active--
	l.bytes -= h.Size
	l.parked++
	h.stripped, h.Event.Data, h.Size = true, events.Data{}, strippedSize
	l.signal()
}

// wake makes a parked head and those behind it runnable again.
func (l *Lane) wake(name string, ln *line, q int, head *held) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(ln.queues[q]) == 0 || ln.queues[q][0] != head || !head.parked {
		return
	}
	for _, h := range ln.queues[q] {
		l.unparkLocked(h)
	}
	l.runNextLocked(name, ln)
}

func (l *Lane) unparkLocked(h *held) {
	h.parked = false
	h.timer = nil
	l.active++
	l.bytes += h.Size
	l.parked--
}

// dropHeadLocked takes the head out of its queue and wakes what was in line behind it.
func (l *Lane) dropHeadLocked(ln *line, q int) {
	h := ln.queues[q][0]
	ln.queues[q][0] = nil
	ln.queues[q] = ln.queues[q][1:]
	if h.parked {
		l.unparkLocked(h)
	}
	l.active--
	l.bytes -= h.Size
	for _, next := range ln.queues[q] {
		if next.parked {
			l.unparkLocked(next)
		}
	}
}

// dropLineLocked leaves all that is in line for a contact to the queue, and with it what comes until Close: it would
// overtake what was dropped.
func (l *Lane) dropLineLocked(ln *line) {
	ln.dropped = true
	for q := range ln.queues {
		for len(ln.queues[q]) > 0 {
			if timer := ln.queues[q][0].timer; timer != nil {
				timer.Stop()
			}
			l.dropHeadLocked(ln, q)
		}
	}
}

// signal tells whoever feeds the lane that there may be room; one signal stands for many.
func (l *Lane) signal() {
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// Stop stops taking and working: what runs is told to end, the rest is dropped unsettled. It does not wait.
func (l *Lane) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, ln := range l.lines {
		for q := range ln.queues {
			for _, h := range ln.queues[q] {
				if h.timer != nil {
					h.timer.Stop()
				}
			}
		}
	}
	l.stop()
}

// Close stops, and lets calls in the middle end until ctx is done.
func (l *Lane) Close(ctx context.Context) error {
	l.Stop()
	done := make(chan struct{})
	go func() {
		l.runs.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
