package calls

import (
	"context"
	"slices"
	"sync"

	"bridge/internal/events"
)

// turnstile lets the asks of one contact in one after another, in the order in which they come. Asks that are to
// meet go in together: contact writes, which merge, and tags that do not contradict each other.
type turnstile struct {
	mu   sync.Mutex
	held map[string][]*turn // by account and contact, in order of arrival
}

type turn struct {
	ask    *Ask
	inside bool
	enter  chan struct{}
}

// enter waits for the turn of an ask. hurry is called when it is more urgent than what is before it.
func (l *turnstile) enter(ctx context.Context, ask *Ask, hurry func()) (leave func(), err error) {
	if ask.Contact == "" {
		return func() {}, nil
	}
	name := ask.Account + "\x00" + ask.Contact
	t := &turn{ask: ask, enter: make(chan struct{})}
	l.mu.Lock()
	urgent := slices.ContainsFunc(l.held[name], func(before *turn) bool { return before.ask.Priority > ask.Priority })
	l.held[name] = append(l.held[name], t)
	l.admitLocked(name)
	l.mu.Unlock()
	if urgent {
		hurry()
	}
	leave = func() { l.leave(name, t) }
	select {
	case <-t.enter:
		return leave, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

func (l *turnstile) leave(name string, t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[name] = slices.DeleteFunc(l.held[name], func(other *turn) bool { return other == t })
	if len(l.held[name]) == 0 {
		delete(l.held, name)
		return
	}
	l.admitLocked(name)
}

// admitLocked lets in whoever agrees with all that came before.
func (l *turnstile) admitLocked(name string) {
	for i, t := range l.held[name] {
		for _, before := range l.held[name][:i] {
			if !agree(before.ask, t.ask) {
				return // and so does everybody behind
			}
		}
		if !t.inside {
			t.inside = true
			close(t.enter)
		}
	}
}

// agree tells whether two asks of one contact may wait side by side.
func agree(a, b *Ask) bool {
	switch {
	case a.Steps[0].Do == events.DoContact && b.Steps[0].Do == events.DoContact:
		return true
	case !isTag(a.Steps[0].Do) || !isTag(b.Steps[0].Do):
		return false
	}
	for i := range a.Steps {
		for j := range b.Steps {
			if a.Steps[i].Target == b.Steps[j].Target && a.Steps[i].Do != b.Steps[j].Do {
				return false
			}
		}
	}
	return true
}
