package history

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"bridge/internal/events"
)

// Log is the two logs as one. Tail calls fn with the records after a position, in order within each log, and goes on
// with new ones until ctx is done or fn fails; it returns fn's error. It gives events.ErrAhead when the position is
// beyond the end of a log.
type Log interface {
	Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error
}

// maxBatch bounds one transaction; pruneEvery is how often events past their retention are looked for.
const (
	maxBatch   = 4000
	pruneEvery = time.Hour
)

// A log that cannot be read, or a disk that takes nothing, is tried again after firstRetry, and after twice as long each
// time, up to lastRetry.
const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Follow keeps the index up with the log until ctx is done, and then returns nil; otherwise only a closed index ends it.
// An index that turns out damaged, at odds with itself or ahead of the log is built anew. What else fails is logged and
// tried again: nothing depends on the index so much that a process should end for it. At most one Follow may run.
func (ix *Index) Follow(ctx context.Context, log Log) error {
	wait, farthest := firstRetry, ix.news.position()
	for {
		spoilt, err := ix.followOnce(ctx, log)
		switch {
		case ctx.Err() != nil || err == nil:
			return nil
		case errors.Is(err, errClosed):
			return err
		}
		if at := ix.news.position(); at.Events > farthest.Events || at.Outcomes > farthest.Outcomes {
			wait, farthest = firstRetry, at
		}
		if spoilt {
			ix.opt.Log.Warn("history: the index is built anew", "file", ix.path, "cause", err)
			if err = ix.rebuild(ctx); err == nil && wait == firstRetry {
				wait *= 2
				continue
			}
		}
		if err != nil {
			ix.opt.Log.Error("history: the index does not keep up; it is tried again", "in", wait, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
}

// followOnce follows until something fails, and tells whether the file has to be made anew for it.
func (ix *Index) followOnce(ctx context.Context, log Log) (spoilt bool, err error) {
	pos, err := ix.Position(ctx)
	if err != nil {
		return errors.Is(err, errAway), err
	}
	var own error
	err = log.Tail(ctx, pos, func(recs []events.LogRecord) error {
		own = ix.take(ctx, recs)
		return own
	})
	return own != nil && !passing(own) || errors.Is(err, events.ErrAhead), err
}

// take puts records into the index and tells who waits and watches.
func (ix *Index) take(ctx context.Context, recs []events.LogRecord) error {
	for part := range slices.Chunk(recs, maxBatch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := ix.takePart(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (ix *Index) takePart(ctx context.Context, recs []events.LogRecord) error {
	ix.writing.Lock()
	defer ix.writing.Unlock()
	st, done, err := ix.reading()
	if err != nil {
		return err
	}
	defer done()
	touched, err := st.apply(ctx, recs, ix.hash)
	if err != nil {
		return err
	}
	ix.news.publish(st.pos, touched)
	if now := time.Now(); now.Sub(ix.pruned) >= pruneEvery {
		more, err := st.prune(ctx, now, now.Add(-ix.opt.Retention))
		if err != nil {
			return err
		}
		if !more {
			ix.pruned = now
		}
	}
	return nil
}

// Wait blocks until the index has taken in everything up to pos.
func (ix *Index) Wait(ctx context.Context, pos events.Position) error {
	for {
		at, changed := ix.news.next()
		if at.Events >= pos.Events && at.Outcomes >= pos.Outcomes {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Watch gives the events that are accepted or change from now on, as they then stand, until stop is called. A watcher
// that is slower than the log misses the older ones: it is for screens.
func (ix *Index) Watch() (news <-chan []events.Row, stop func()) {
	ch := ix.news.subscribe()
	return ch, func() { ix.news.unsubscribe(ch) }
}

// newsRows is how many of the newest changes of a batch reach watchers; newsBatches how many batches may wait for one.
const (
	newsRows    = 50
	newsBatches = 8
)

// news tells what is new: the position to those who wait, the rows to those who watch.
type news struct {
	mu       sync.Mutex
	pos      events.Position
	changed  chan struct{} // closed with the next change of pos
	watchers []chan []events.Row
}

func (n *news) start(pos events.Position) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pos = pos
	if n.changed == nil {
		n.changed = make(chan struct{})
	}
}

func (n *news) position() events.Position {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pos
}

func (n *news) next() (events.Position, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pos, n.changed
}

func (n *news) publish(pos events.Position, touched []*row) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pos = pos
	close(n.changed)
	n.changed = make(chan struct{})
	if len(n.watchers) == 0 || len(touched) == 0 {
		return
	}
	touched = touched[max(0, len(touched)-newsRows):]
	rows := make([]events.Row, 0, len(touched))
	for _, r := range touched {
		if r.dirty {
			rows = append(rows, r.public())
		}
	}
	for _, ch := range n.watchers {
		for sent := false; !sent; {
			select {
			case ch <- rows:
				sent = true
			default: // the oldest one makes room
				select {
				case <-ch:
				default:
				}
			}
		}
	}
}

func (n *news) subscribe() chan []events.Row {
	n.mu.Lock()
	defer n.mu.Unlock()
	ch := make(chan []events.Row, newsBatches)
	n.watchers = append(n.watchers, ch)
	return ch
}

func (n *news) unsubscribe(ch chan []events.Row) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.watchers = slices.DeleteFunc(n.watchers, func(c chan []events.Row) bool { return c == ch })
}
