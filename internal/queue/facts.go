package queue

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// factsFor is how long a fact is remembered that has no time of its own: by its time it could be told that a
// resend is older than the log.
const factsFor = 400 * 24 * time.Hour

// unworked tells why an event is only logged, NoReason when it is to be worked.
func (r *router) unworked(ctx context.Context, d *draft, e *events.Event, now time.Time) (events.Reason, error) {
	if !timeless(e) && now.Sub(e.Time) > r.q.opt.Retention {
		return events.OldFact, nil
	}
	return r.stale(ctx, d, e)
}

// timeless tells whether the sender gave the fact no time: then it counts from when it came.
func timeless(e *events.Event) bool { return e.Time.Equal(e.Received) }

// stale tells whether a later state of the same thing was handled before. Only events that say how a thing stands now
// can be stale; an order that was paid stays paid.
func (r *router) stale(ctx context.Context, d *draft, e *events.Event) (events.Reason, error) {
	thing := thingOf(e)
	if thing == "" {
		return events.NoReason, nil
	}
	key := "version." + hashToken(thing)
	newest, ok := d.versions[key]
	if !ok {
		value, _, err := r.q.memory.load(ctx, key)
		if err != nil {
			return "", err
		}
		if value != nil {
			if newest, err = time.Parse(time.RFC3339Nano, string(value)); err != nil {
				return "", fmt.Errorf("read a version: %w", err)
			}
		}
	}
	if e.Updated.Before(newest) {
		return events.Stale, nil
	}
	d.versions[key] = e.Updated
	return events.NoReason, nil
}

// thingOf names what the event shows the state of, "" when it tells a fact instead or gives no version.
func thingOf(e *events.Event) string {
	if e.Updated.IsZero() || !strings.HasSuffix(e.Type, ".updated") {
		return ""
	}
	name := e.Subject
	if name == "" && e.Data.Contact != nil {
		name = e.Data.Contact.ExternalID
	}
	if name == "" {
		name = e.OrderKey()
	}
	if name == "" {
		return ""
	}
	return strings.Join([]string{e.Account, e.Source, e.Type, name}, "\x00")
}

// rememberedFact tells whether a fact without a time of its own was handled before the log forgot it.
func (r *router) rememberedFact(ctx context.Context, it *item) (bool, error) {
	if it.event.Data.Refund == nil || !timeless(it.event) {
		return false, nil
	}
	msg, seq, err := r.q.memory.load(ctx, factKey(it.key))
	if err != nil || seq == 0 {
		return false, err
	}
	return string(msg) != it.origin, nil // its own unfinished routing goes on
}

func factKey(key string) string { return "fact." + key }

// rememberFacts stores what later rounds have to know of this one.
func (r *router) rememberFacts(ctx context.Context, d *draft) error {
	var msgs []*nats.Msg
	for key, version := range d.versions {
		msgs = append(msgs, memoryMsg(key, []byte(version.UTC().Format(time.RFC3339Nano)), r.q.opt.Retention))
	}
	for _, it := range d.entries {
		if it.event.Data.Refund != nil && timeless(it.event) {
			msgs = append(msgs, memoryMsg(factKey(it.key), []byte(it.origin), factsFor))
		}
	}
	if _, err := r.q.publish(ctx, msgs); err != nil {
		return fmt.Errorf("remember facts: %w", err)
	}
	return nil
}
