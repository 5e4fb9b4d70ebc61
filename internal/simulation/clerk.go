package simulation

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"bridge/internal/events"
)

// clerk is the person on duty: every ten minutes the doubts are resolved by a look at Keap, which is what bridge
// events resolve is for. A doubt waits while another event of the same contact is at work.
type clerk struct {
	*trial
	resolved int

	mu     sync.Mutex
	goals  map[string]int // that contacts have achieved, by Keap id
	stated map[string]int // goals of settled events, by hashed order key
	read   uint64         // of the sandbox's log
	failed []string       // events that were buried
}

// hear counts what is settled.
func (c *clerk) hear(e *entry, v events.Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch v.State() {
	case events.Failed:
		c.failed = append(c.failed, fmt.Sprintf("%s: %s %s", e.event.ID, v.Reason, v.Detail))
	case events.Done:
		c.stated[e.contact] += e.Goals
		c.store.forget(e.event.Key())
	}
}

func (c *clerk) work(stop <-chan struct{}) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			c.look()
		}
	}
}

// look resolves the doubts that can be.
func (c *clerk) look() {
	c.inbox.resolve(func(e *entry) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.readLog()
		c.store.answer(e.event.Key(), func(contact string) events.StepState {
			if c.goals[contact] > c.stated[e.contact] {
				return events.StepDone
			}
			return events.StepWaiting
		})
		c.resolved++
	})
}

// readLog counts the goals that were achieved since the last look.
func (c *clerk) readLog() {
	for _, l := range c.keap.Log("", c.begins(), c.read) {
		c.read = l.N
		if l.Operation != "goals.achieve" || !happened(&l) {
			continue
		}
		for _, s := range l.Subjects {
			if id, ok := strings.CutPrefix(s, "contact:"); ok {
				c.goals[id]++
			}
		}
	}
}
