package calls

import (
	"maps"
	"time"

	"bridge/internal/events"
)

// hurriedFor is how long a contact stays hurried when no urgent ask of it comes.
const hurriedFor = time.Hour

// Hurry flushes what waits for a contact, and makes what else is asked for it urgent until an urgent ask of it
// comes: an urgent event of the same contact is behind what is in hand. contact is the hashed order key (Ask.Contact).
func (p *Planner) Hurry(contact string) {
	if contact == "" {
		return
	}
	now := time.Now()
	p.mu.Lock()
	maps.DeleteFunc(p.hurried, func(_ string, until time.Time) bool { return now.After(until) })
	p.hurried[contact] = now.Add(hurriedFor)
	p.board.hurry(contact)
	p.mu.Unlock()
	p.nudge()
}

// priorityOf is the priority that an ask is served with.
func (p *Planner) priorityOf(ask *Ask) events.Priority {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, hurried := p.hurried[ask.Contact]
	switch {
	case !hurried:
		return ask.Priority
	case ask.Priority == events.Urgent: // what was to be hurried is done
		delete(p.hurried, ask.Contact)
	case time.Now().After(until):
		return ask.Priority
	}
	return events.Urgent
}
