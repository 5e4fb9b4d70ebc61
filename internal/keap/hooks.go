package keap

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Hook is a subscription to one kind of change in Keap (v1; v2 has none).
type Hook struct {
	Key      string `json:"key"`
	EventKey string `json:"eventKey"` // contact.add, contactGroup.applied, …
	URL      string `json:"hookUrl"`
	Status   string `json:"status"` // Unverified, Verified, Inactive
}

// Verified tells whether Keap delivers to it.
func (h Hook) Verified() bool { return strings.EqualFold(h.Status, "Verified") }

// Hooks returns all subscriptions of the application, others' included.
func (c *Client) Hooks(ctx context.Context) ([]Hook, error) {
	var hooks []Hook
	_, err := c.do(ctx, get("hooks.list", "/rest/v1/hooks"), &hooks)
	return hooks, err
}

// HookEventKeys returns what can be subscribed to.
func (c *Client) HookEventKeys(ctx context.Context) ([]string, error) {
	var keys []string
	_, err := c.do(ctx, get("hooks.event_keys", "/rest/v1/hooks/event_keys"), &keys)
	return keys, err
}

// CreateHook subscribes target to an event key. Keap verifies at once: it posts to target with X-Hook-Secret, and
// the answer must be 200 with the same header.
func (c *Client) CreateHook(ctx context.Context, eventKey, target string) (Hook, error) {
	const operation = "hooks.create"
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Hook{}, invalid(operation, "hookUrl", "is not an http(s) address")
	}
	return c.hook(ctx, post(operation, "/rest/v1/hooks", fields{"eventKey": eventKey, "hookUrl": target}))
}

// VerifyHook asks Keap to verify a subscription again: after four failed deliveries it is Inactive until then.
func (c *Client) VerifyHook(ctx context.Context, key string) (Hook, error) {
	return c.hook(ctx, post("hooks.verify", "/rest/v1/hooks/{key}/verify", nil, key))
}

func (c *Client) hook(ctx context.Context, r request) (Hook, error) {
	var h Hook
	a, err := c.do(ctx, r, &h)
	if err != nil {
		return Hook{}, err
	}
	if h.Key == "" {
		return Hook{}, a.unreadable(r.operation, "a subscription without key", nil)
	}
	return h, nil
}

// DeleteHook ends a subscription. One that is gone already is no error.
func (c *Client) DeleteHook(ctx context.Context, key string) error {
	_, err := c.do(ctx, request{operation: "hooks.delete", method: http.MethodDelete, path: "/rest/v1/hooks/{key}", at: []string{key}}, nil)
	if KindOf(err) == KindNotFound {
		return nil
	}
	return err
}
