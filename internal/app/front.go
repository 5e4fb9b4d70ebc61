package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bridge/internal/events"
	"bridge/internal/queue"
	"bridge/internal/rules"
	"bridge/internal/sources"
)

// front decides about events behind the durable line; the queue's router asks it.
type front struct {
	worlds *worlds
	now    func() time.Time
	trace  *tracing
}

// Enrich implements queue.Front.
func (f *front) Enrich(ctx context.Context, e *events.Event) error {
	s, err := f.worlds.source(e.Account, e.Source)
	if err != nil {
		return err
	}
	asks, ok := s.made.(sources.Enricher)
	if !ok {
		return fmt.Errorf("source %s cannot be asked for what is missing: give it enrich:", e.Source)
	}
	err = asks.Enrich(ctx, e)
	var later *sources.Later
	if errors.As(err, &later) {
		wait := time.Duration(0) // the queue's own delays
		if !later.At.IsZero() {
			wait = max(0, later.At.Sub(f.now()))
		}
		return &queue.Later{After: wait, Err: err}
	}
	return err
}

// Route implements queue.Front. An expression that fails here fails again, and with its reason, when the event is planned.
func (f *front) Route(e *events.Event) (group string, p events.Priority, ok bool) {
	end := f.trace.route(e)
	defer func() { end(group, p) }()
	a := f.worlds.find(e.Account)
	if a == nil {
		return "", events.Normal, false
	}
	_, p, err := a.Set.Match(e, f.now())
	if err != nil {
		p = events.Normal
	}
	return a.group, p, true
}

// Plan implements dispatch.Planner.
func (f *front) Plan(e *events.Event, now time.Time) (events.Plan, error) {
	a := f.worlds.find(e.Account)
	if a == nil {
		return events.Plan{}, &rules.Error{Reason: events.NotConfigured, Text: fmt.Sprintf("account %q is not in the configuration any more", e.Account)}
	}
	return a.Set.Plan(e, now)
}

// parseIngest reads what publishers sent over NATS.
func (f *front) parseIngest(account, source string, header http.Header, body []byte) (events.Event, error) {
	if _, err := f.worlds.source(account, source); err != nil {
		return events.Event{}, err
	}
	list, err := sources.ParseCloudEvent(account, source, header, body, f.now())
	if err != nil {
		return events.Event{}, err
	}
	if len(list) != 1 {
		return events.Event{}, fmt.Errorf("a message holds one CloudEvent, this one %d: publish them one by one, or send the batch to POST /api/events", len(list))
	}
	return list[0], nil
}
