package app

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/internal/sources"
)

// switches change what runs; it implements ops.Switches.
type switches struct {
	app *App

	front    sync.Mutex
	recalled bool // what stands in front is known to the queue
}

// recall makes resends known that nobody routes while a command has the store: with a serve, its router finds them.
func (s *switches) recall(ctx context.Context) error {
	if !s.app.set.Visitor {
		return nil
	}
	s.front.Lock()
	defer s.front.Unlock()
	if s.recalled {
		return nil
	}
	err := s.app.queue.RecallFront(ctx)
	s.recalled = err == nil
	return err
}

// Pause implements ops.Switches.
func (s *switches) Pause(ctx context.Context, account string) error {
	return s.app.gate.set(ctx, account, true)
}

// Resume implements ops.Switches.
func (s *switches) Resume(ctx context.Context, account string) error {
	return s.app.gate.set(ctx, account, false)
}

// Publish implements ops.Switches: what a publisher would send over NATS comes over the API.
func (s *switches) Publish(ctx context.Context, account, source string, raw []json.RawMessage) ([]ops.Published, error) {
	if _, err := s.app.worlds.source(account, source); err != nil {
		return nil, &ops.Error{Kind: ops.NotFound, Message: err.Error(), Hint: "bridge check lists what is configured", Cause: err}
	}
	kind := s.app.worlds.kind(account, source)
	out := make([]ops.Published, len(raw))
	var batch []events.Event
	var from []int // entry of out of each event of the batch
	for i, body := range raw {
		list, err := sources.ParseCloudEvent(account, source, nil, body, time.Now())
		switch {
		case err != nil:
			out[i] = ops.Published{Status: ops.Refused, Detail: err.Error()}
		case len(list) != 1:
			out[i] = ops.Published{Status: ops.Refused, Detail: "one CloudEvent an entry is expected"}
		case kind != kindNATS && kind != "cloudevents" && list[0].Rule == "":
			out[i] = ops.Published{ID: list[0].ID, Status: ops.Refused, Detail: fmt.Sprintf("source %s is of kind %s, which signs its own webhooks: publish to one of kind nats or cloudevents (only an import, which names its rule, may use any)", source, kind)}
		default:
			out[i] = ops.Published{ID: list[0].ID, Status: ops.Accepted}
			batch = append(batch, list[0])
			from = append(from, i)
		}
	}
	keys := make([]string, len(batch))
	for i := range batch {
		keys[i] = batch[i].Key()
	}
	if err := s.recall(ctx); err != nil {
		return nil, err
	}
	// The log knows what the line does not remember any more; the router would find out too, but tell nobody.
	known, err := s.app.history.Lookup(ctx, keys)
	if err != nil {
		return nil, err
	}
	fresh := 0
	for i := range batch {
		if _, ok := known[keys[i]]; ok {
			out[from[i]].Status = ops.Duplicate
			continue
		}
		batch[fresh], from[fresh] = batch[i], from[i]
		fresh++
	}
	batch = batch[:fresh]
	if len(batch) == 0 {
		return out, nil
	}
	duplicate, err := s.app.queue.Accept(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("the events could not be stored: %w", err)
	}
	for i, d := range duplicate {
		if d {
			out[from[i]].Status = ops.Duplicate
		}
	}
	return out, nil
}

// Test implements ops.Switches: the kind's own sample, signed, through the real ingress.
func (s *switches) Test(ctx context.Context, account, source string) (string, error) {
	return s.app.sendSample(ctx, account, source)
}
