package queue

import (
	"context"
	"sync"
)

// gather collects what many goroutines hand in and writes it in groups, one group at a time: something handed in
// alone is written at once, and what comes while a group is being written makes the next group. So the cost of
// an fsync is shared exactly when there is somebody to share it with, and nobody waits for company.
type gather[T any] struct {
	write    func(group []T) // called by one goroutine; answers whoever waits
	maxItems int             // of one group; at least one item is always written
	maxBytes int

	mu      sync.Mutex
	waiting []gathered[T]
	bytes   int  // of waiting
	writing bool // a group is under way
	stopped bool

	wake chan struct{}
	done chan struct{}
}

type gathered[T any] struct {
	item T
	size int
}

func startGather[T any](maxItems, maxBytes int, write func([]T)) *gather[T] {
	g := &gather[T]{write: write, maxItems: maxItems, maxBytes: maxBytes, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go g.run()
	return g
}

// add hands an item in. It fails when the gather has stopped, or when more than limit bytes wait already (0: no limit).
func (g *gather[T]) add(item T, size, limit int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.addLocked(item, size, limit)
}

func (g *gather[T]) addLocked(item T, size, limit int) error {
	if g.stopped {
		return ErrClosed
	}
	if limit > 0 && g.bytes+size > limit {
		return ErrUnavailable
	}
	g.waiting = append(g.waiting, gathered[T]{item, size})
	g.bytes += size
	if len(g.waiting) == 1 {
		signal(g.wake)
	}
	return nil
}

// do is add for somebody who waits for the write anyway: an item that is alone is written here and now, which spares it the
// way to another goroutine and back. It may take as long as a write does.
func (g *gather[T]) do(item T, size, limit int) error {
	g.mu.Lock()
	if g.stopped || g.writing || len(g.waiting) > 0 {
		defer g.mu.Unlock()
		return g.addLocked(item, size, limit)
	}
	g.writing = true
	g.mu.Unlock()
	g.write([]T{item})
	g.written()
	return nil
}

// written lets the next group go.
func (g *gather[T]) written() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.writing = false
	if g.stopped || len(g.waiting) > 0 {
		signal(g.wake)
	}
}

func (g *gather[T]) run() {
	defer close(g.done)
	for range g.wake {
		for group := g.next(); len(group) > 0; group = g.next() {
			g.write(group)
			g.written()
		}
		g.mu.Lock()
		stop := g.stopped && len(g.waiting) == 0 && !g.writing
		g.mu.Unlock()
		if stop {
			return
		}
	}
}

// next takes the group to write now; none while another is under way.
func (g *gather[T]) next() []T {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writing || len(g.waiting) == 0 {
		return nil
	}
	g.writing = true
	n, bytes := 0, 0
	for n < len(g.waiting) && n < g.maxItems && (n == 0 || bytes+g.waiting[n].size <= g.maxBytes) {
		bytes += g.waiting[n].size
		n++
	}
	group := make([]T, n)
	for i := range group {
		group[i] = g.waiting[i].item
	}
	rest := copy(g.waiting, g.waiting[n:])
	clear(g.waiting[rest:])
	g.waiting = g.waiting[:rest]
	g.bytes -= bytes
	return group
}

// stop takes no more, writes what waits and returns when it is written or ctx is done.
func (g *gather[T]) stop(ctx context.Context) error {
	g.mu.Lock()
	g.stopped = true
	g.mu.Unlock()
	signal(g.wake)
	select {
	case <-g.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// signal wakes whoever waits on c, which has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
