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
// can be stale; an order that was paid stays paid, however late that is told.
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

// standings are types that take each other back: of one subscription, or one person's membership, the latest counts.
var standings = map[string]string{
	"subscription.started": "subscription", "subscription.paused": "subscription", "subscription.resumed": "subscription",
	"subscription.cancelled": "subscription", "subscription.expired": "subscription",
	"membership.started": "membership", "membership.expired": "membership", "membership.cancelled": "membership",
}

// thingOf names what the event shows the state of, "" when it tells a fact instead or gives no version. Two things must
// never have one name, or a change of one would be taken for an older state of the other.
func thingOf(e *events.Event) string {
	if e.Updated.IsZero() {
		return ""
	}
	class, name, d := e.Type, "", &e.Data
	switch {
	case standings[e.Type] == "subscription" && d.Subscription != nil:
		class, name = "subscription", d.Subscription.ID
	case standings[e.Type] == "membership" && d.Membership != nil && d.Membership.ID != "" && whose(e) != "":
		class, name = "membership", d.Membership.ID+"\x00"+whose(e) // some name a plan's id there
	case e.Type == "customer.updated" || e.Type == "consent.updated":
		name = whose(e)
	case !strings.HasSuffix(strings.ToLower(e.Type), "updated") || standings[e.Type] != "":
	case e.Subject != "":
		name = e.Subject
	case d.Order != nil:
		name = d.Order.ID
	case d.Subscription != nil:
		name = d.Subscription.ID
	}
	if name == "" {
		return ""
	}
	return strings.Join([]string{e.Account, e.Source, class, name}, "\x00")
}

// whose names the person: by the sender's own id where there is one.
func whose(e *events.Event) string {
	if c := e.Data.Contact; c != nil && c.ExternalID != "" {
		return c.ExternalID
	}
	return e.OrderKey()
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
