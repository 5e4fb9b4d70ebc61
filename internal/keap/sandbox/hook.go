package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Hook is a REST hook subscription, as v1 answers it.
type Hook struct {
	Key      string `json:"key"`
	EventKey string `json:"eventKey"`
	URL      string `json:"hookUrl"`
	Status   string `json:"status"` // Unverified, Verified, Inactive
}

type hook struct {
	Hook
	secret string // of the handshake
}

func (h *hook) public() Hook { return h.Hook }

// delivery is one POST to a subscriber: at most 1000 objects of one event.
type delivery struct {
	hook    *hook
	objects []hookObject
	at      time.Time
	tries   int
}

type hookObject struct {
	ID        ref    `json:"id"`
	URL       string `json:"apiUrl"`
	Timestamp string `json:"timestamp"`
	Contacts  []ref  `json:"contact_ids,omitempty"` // who a tag was applied to or taken from
}

const maxHookObjects = 1000

// hookDelays are the waits before each attempt; tags are told of later. After the last failure the subscription
// is inactive.
var hookDelays = []time.Duration{30 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute}

const tagHookDelay = 5 * time.Minute

// hookTimeout is how long a subscriber may take.
const hookTimeout = 30 * time.Second

// hookEvents are Keap's event keys.
var hookEvents = func() []string {
	var out []string
	for _, kind := range []string{"appointment", "company", "contact", "contactGroup", "invoice", "invoice.payment", "leadsource", "note", "opportunity",
		"order", "product", "subscription", "task"} {
		out = append(out, kind+".add", kind+".edit", kind+".delete")
	}
	out = append(out, "contact.redact", "contactGroup.applied", "contactGroup.removed", "opportunity.stage_move", "user.activate", "user.add", "user.edit")
	slices.Sort(out)
	return out
}()

// resources are where v1 shows the objects of events.
var resources = map[string]string{"contact": "contacts", "contactGroup": "tags", "order": "orders", "invoice": "orders", "invoice.payment": "transactions",
	"note": "notes", "task": "tasks", "opportunity": "opportunities", "product": "products"}

// kindOf is the object_type of an event key.
func kindOf(event string) string { return event[:max(strings.LastIndexByte(event, '.'), 0)] }

// happened queues an event for its verified subscribers. Events of one kind are gathered into one delivery.
func (t *tenant) happened(c *call, event string, id ref, contacts ...ref) {
	for _, h := range t.hooks {
		if h.EventKey != event || h.Status != "Verified" {
			continue
		}
		o := hookObject{id, "https://api.infusionsoft.com/crm/rest/v1/" + resources[kindOf(event)] + "/" + id.String(), stamp(c.now), contacts}
		if i := slices.IndexFunc(t.due, func(d *delivery) bool { return d.hook == h && d.tries == 0 && len(d.objects) < maxHookObjects }); i >= 0 {
			t.due[i].objects = append(t.due[i].objects, o)
			continue
		}
		delay := hookDelays[0]
		if kindOf(event) == "contactGroup" {
			delay = tagHookDelay
		}
		t.due = append(t.due, &delivery{hook: h, objects: []hookObject{o}, at: c.now.Add(delay)})
	}
}

func listHookEvents(*tenant, *call) reply { return ok(hookEvents) }

func listHooks(t *tenant, _ *call) reply {
	out := []Hook{}
	for _, h := range t.hooks {
		out = append(out, h.public())
	}
	return ok(out)
}

func (t *tenant) hookByKey(key string) (*hook, bool) {
	i := slices.IndexFunc(t.hooks, func(h *hook) bool { return h.Key == key })
	if i < 0 {
		return nil, false
	}
	return t.hooks[i], true
}

// putHook subscribes, or changes a subscription, and tries the handshake before it answers.
func putHook(t *tenant, c *call) reply {
	var in struct {
		Event string `json:"eventKey"`
		URL   string `json:"hookUrl"`
	}
	if err := c.read(&in); err != nil {
		return c.bad(err.Error())
	}
	to, err := url.Parse(in.URL)
	if err != nil || to.Host == "" || !slices.Contains(hookEvents, in.Event) {
		return c.bad("eventKey must be one of GET /hooks/event_keys and hookUrl an absolute address")
	}
	var h *hook
	if len(c.args) > 0 {
		var found bool
		if h, found = t.hookByKey(c.args[0]); !found {
			return c.notFound("Hook", c.args[0])
		}
		h.EventKey, h.URL, h.Status = in.Event, in.URL, "Unverified"
	} else {
		n := 1
		for _, o := range t.hooks {
			n = max(n, int(parseRef(o.Key))+1)
		}
		h = &hook{Hook: Hook{Key: fmt.Sprint(n), EventKey: in.Event, URL: in.URL, Status: "Unverified"}}
		t.hooks = append(t.hooks, h)
	}
	return t.shake(c, h)
}

// shake sends a new secret to the subscriber; its answer must return it with status 200.
func (t *tenant) shake(c *call, h *hook) reply {
	h.secret = fmt.Sprintf("%s-%s-%d", t.app, h.Key, c.now.UnixNano())
	client, to, secret := t.server.opts.Hooks, h.URL, h.secret
	if client == nil {
		return ok(h.public())
	}
	c.after = func(ctx context.Context) reply {
		status, echo := post(ctx, client, to, secret, nil)
		t.mu.Lock()
		defer t.mu.Unlock()
		if status == http.StatusOK && echo == secret && h.secret == secret {
			h.Status = "Verified"
		}
		return ok(h.public())
	}
	return reply{}
}

// post is one request to a subscriber: its status (0: none came) and the secret that it returned.
func post(ctx context.Context, client *http.Client, to, secret string, body []byte) (status int, echo string) {
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, ""
	}
	if secret != "" {
		req.Header.Set("X-Hook-Secret", secret)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // so that the connection can be used again
	return res.StatusCode, res.Header.Get("X-Hook-Secret")
}

func verifyHook(t *tenant, c *call) reply {
	h, found := t.hookByKey(c.args[0])
	if !found {
		return c.notFound("Hook", c.args[0])
	}
	h.Status = "Unverified"
	return t.shake(c, h)
}

// delayedVerify takes the secret that the subscriber was sent before.
func delayedVerify(t *tenant, c *call) reply {
	h, found := t.hookByKey(c.args[0])
	if !found {
		return c.notFound("Hook", c.args[0])
	}
	if secret := c.header.Get("X-Hook-Secret"); secret == "" || t.server.opts.Hooks != nil && secret != h.secret {
		return c.fail(http.StatusForbidden, "X-Hook-Secret does not match")
	}
	h.Status = "Verified"
	return ok(h.public())
}

func getHook(t *tenant, c *call) reply {
	h, found := t.hookByKey(c.args[0])
	if !found {
		return c.notFound("Hook", c.args[0])
	}
	return ok(h.public())
}

func deleteHook(t *tenant, c *call) reply {
	h, found := t.hookByKey(c.args[0])
	if !found {
		return c.notFound("Hook", c.args[0])
	}
	t.hooks = slices.DeleteFunc(t.hooks, func(o *hook) bool { return o == h })
	t.due = slices.DeleteFunc(t.due, func(d *delivery) bool { return d.hook == h })
	return none()
}

// DeliverHooks sends every delivery that is due by now and returns how many subscribers took theirs. Deliveries
// wait for it: the simulator has no goroutine of its own.
func (s *Server) DeliverHooks(ctx context.Context) int {
	if s.opts.Hooks == nil {
		return 0
	}
	s.mu.Lock()
	now := s.nowLocked()
	some := slices.SortedFunc(maps.Values(s.tenants), func(a, b *tenant) int { return cmp.Compare(a.app, b.app) })
	s.mu.Unlock()
	taken := 0
	for _, t := range some {
		for _, d := range t.takeDue(now) {
			if t.deliver(ctx, s.opts.Hooks, d, now) {
				taken++
			}
		}
	}
	return taken
}

func (t *tenant) takeDue(now time.Time) (due []*delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.due = slices.DeleteFunc(t.due, func(d *delivery) bool {
		if d.at.After(now) || d.hook.Status != "Verified" {
			return false
		}
		due = append(due, d)
		return true
	})
	return due
}

// deliver makes one attempt. 410 ends the subscription at once, the fourth failure too.
func (t *tenant) deliver(ctx context.Context, client *http.Client, d *delivery, now time.Time) bool {
	t.mu.Lock()
	event, to := d.hook.EventKey, d.hook.URL
	t.mu.Unlock()
	body, err := json.Marshal(map[string]any{"event_key": event, "object_type": kindOf(event), "object_keys": d.objects})
	if err != nil {
		return false
	}
	status, _ := post(ctx, client, to, "", body)
	t.mu.Lock()
	defer t.mu.Unlock()
	if status >= 200 && status < 400 {
		return true
	}
	d.tries++
	if status == http.StatusGone || d.tries >= len(hookDelays) {
		d.hook.Status = "Inactive"
		return false
	}
	d.at = now.Add(hookDelays[d.tries])
	t.due = append(t.due, d)
	return false
}

// RunHooks delivers hooks on their schedule until ctx ends; the caller owns its goroutine.
func (s *Server) RunHooks(ctx context.Context) {
	for sleep(ctx, time.Second) == nil {
		s.DeliverHooks(ctx)
	}
}
