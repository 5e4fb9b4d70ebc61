package calls

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

const (
	// xmlrpcProbe is how long action sets wait before one of them tries whether XML-RPC is back.
	xmlrpcProbe = time.Minute
	// xmlrpcGone is how long XML-RPC may be away before it counts as switched off: the longest planned outage is 48 h.
	xmlrpcGone = 48 * time.Hour
	// restFresh is how old the last good answer of REST may be to show that XML-RPC alone is away.
	restFresh = time.Minute
	// outageKept is how long an outage is remembered over restarts.
	outageKept = 30 * 24 * time.Hour
)

// outages knows for each account whether XML-RPC answers.
type outages struct {
	mu       sync.Mutex
	accounts map[string]*outage
}

// outage is XML-RPC being away, REST answering meanwhile. The zero value is none.
type outage struct {
	loaded  bool
	since   time.Time // zero: it answers
	probe   time.Time // when the next action set may try
	rest    time.Time // last good answer of REST
	partial map[string]int
}

func (o *outages) ofLocked(account string) *outage {
	a := o.accounts[account]
	if a == nil {
		a = &outage{partial: map[string]int{}}
		o.accounts[account] = a
	}
	return a
}

// restAnswered notes that REST works.
func (o *outages) restAnswered(account string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ofLocked(account).rest = at
}

// actionSet runs an action set over XML-RPC while that lives, else what replaces it.
func (t *task) actionSet(ctx context.Context, s *events.Step, r *Result) error {
	t.recallOutage(ctx)
	now := time.Now()
	t.xmlrpc.mu.Lock()
	o := t.xmlrpc.ofLocked(t.Account)
	gone := !now.Before(keap.EndOfXMLRPC) || !o.since.IsZero() && now.Sub(o.since) > xmlrpcGone
	begun := o.partial[t.Key+s.ID] > 0
	away := !o.since.IsZero() && now.Before(o.probe)
	until := o.probe
	if !gone && !away && !o.since.IsZero() {
		o.probe = now.Add(xmlrpcProbe) // this one tries, the others wait for it
	}
	t.xmlrpc.mu.Unlock()
	switch {
	case gone || begun:
		return t.replace(ctx, s, r)
	case away:
		return brownedOut(until)
	}
	err := t.onContact(ctx, r, request{operation: "action_sets.run", rank: ending, step: s, unsafe: true, subjects: 1, send: func(ctx context.Context) error {
		results, err := t.settings.Keap.RunActionSet(ctx, t.contact, s.Target)
		if err != nil {
			return err
		}
		return actionError(results)
	}})
	if keap.KindOf(err) == keap.KindBrownout && t.restWorks(ctx, r) {
		r.Sent = false // the gateway answered in XML-RPC's place: nothing ran
		return brownedOut(t.beginOutage(ctx))
	}
	if err == nil || keap.KindOf(err) == keap.KindFault {
		t.endOutage(ctx)
	}
	return err
}

func brownedOut(until time.Time) error {
	return &Closed{Until: until, Reason: events.Brownout, Detail: "Keap's XML-RPC does not answer while REST does; action sets wait and one tries each minute"}
}

// actionError is what the results say: some actions of the set may have failed although it ran.
func actionError(results []keap.ActionResult) error {
	for _, a := range results {
		if a.Failed {
			return &keap.Error{Kind: keap.KindFault, Operation: "action_sets.run", Status: 200, Sent: true, Answered: true,
				Message: fmt.Sprintf("the action %q of the set failed: %s", a.Action, a.Message), Hint: "look at the action set in Keap; its other actions did run"}
		}
	}
	return nil
}

// restWorks tells whether REST answers; without a recent answer it asks.
func (t *task) restWorks(ctx context.Context, r *Result) bool {
	t.xmlrpc.mu.Lock()
	fresh := time.Since(t.xmlrpc.ofLocked(t.Account).rest) < restFresh
	t.xmlrpc.mu.Unlock()
	if fresh {
		return true
	}
	return t.call(ctx, r, request{operation: "users.userinfo", rank: ending, send: func(ctx context.Context) error {
		_, err := t.settings.Keap.UserInfo(ctx)
		return err
	}}) == nil
}

// storedOutage is an outage in the memory.
type storedOutage struct {
	Since time.Time `json:"since,omitzero"`
}

func (t *task) outageKey() string { return t.Account + "/xmlrpc" }

// recallOutage loads what an earlier process knew.
func (t *task) recallOutage(ctx context.Context) {
	t.xmlrpc.mu.Lock()
	defer t.xmlrpc.mu.Unlock()
	o := t.xmlrpc.ofLocked(t.Account)
	if o.loaded || t.c.Memory == nil {
		return
	}
	stored, known, err := t.c.Memory.Contact(ctx, t.c.Group, t.outageKey())
	if err != nil {
		return // asked again next time
	}
	var kept storedOutage
	if known && json.Unmarshal(stored, &kept) == nil {
		o.since = kept.Since
	}
	o.loaded = true
}

// beginOutage notes that XML-RPC is away and tells when the next one may try.
func (t *task) beginOutage(ctx context.Context) time.Time {
	now := time.Now()
	t.xmlrpc.mu.Lock()
	o := t.xmlrpc.ofLocked(t.Account)
	first := o.since.IsZero()
	if first {
		o.since = now
	}
	o.probe = now.Add(xmlrpcProbe)
	kept := storedOutage{Since: o.since}
	t.xmlrpc.mu.Unlock()
	if first {
		t.log.Warn("XML-RPC does not answer while REST does: action sets wait", "account", t.Account)
		t.keepOutage(ctx, kept)
	}
	return now.Add(xmlrpcProbe)
}

func (t *task) endOutage(ctx context.Context) {
	t.xmlrpc.mu.Lock()
	o := t.xmlrpc.ofLocked(t.Account)
	was := !o.since.IsZero()
	o.since, o.probe = time.Time{}, time.Time{}
	t.xmlrpc.mu.Unlock()
	if was {
		t.log.Info("XML-RPC answers again", "account", t.Account)
		t.keepOutage(ctx, storedOutage{})
	}
}

func (t *task) keepOutage(ctx context.Context, kept storedOutage) {
	stored, err := json.Marshal(kept)
	if err == nil && t.c.Memory != nil {
		err = t.c.Memory.SaveContact(context.WithoutCancel(ctx), t.c.Group, t.outageKey(), stored, outageKept)
	}
	if err != nil {
		t.log.Warn("the state of XML-RPC cannot be stored", "account", t.Account, "err", err)
	}
}

// replace does the configured steps in the place of an action set. What is done of them is remembered while the
// process lives, so that a failure in the middle repeats nothing.
func (t *task) replace(ctx context.Context, s *events.Step, r *Result) error {
	set := t.settings.ActionSets[s.Target]
	if len(set.ReplaceWith) == 0 {
		return &Invalid{Reason: events.NoReplacement, Detail: fmt.Sprintf(
			"XML-RPC is gone and nothing replaces action set %s (add action_sets.%s.replace_with to the account's configuration, then replay)", s.Target, s.Target)}
	}
	key := t.Key + s.ID
	for i, with := range set.ReplaceWith {
		t.xmlrpc.mu.Lock()
		done := t.xmlrpc.ofLocked(t.Account).partial[key]
		t.xmlrpc.mu.Unlock()
		if i < done {
			continue
		}
		if err := t.replaceOne(ctx, s, r, with); err != nil {
			return err
		}
		t.xmlrpc.mu.Lock()
		t.xmlrpc.ofLocked(t.Account).partial[key] = i + 1
		t.xmlrpc.mu.Unlock()
	}
	t.xmlrpc.mu.Lock()
	delete(t.xmlrpc.ofLocked(t.Account).partial, key)
	t.xmlrpc.mu.Unlock()
	return nil
}

func (t *task) replaceOne(ctx context.Context, s *events.Step, r *Result, with Replacement) error {
	switch {
	case with.Goal != nil:
		return t.achieve(ctx, s, r, with.Goal.Integration, with.Goal.Call)
	case with.Sequence != nil:
		return t.sequence(ctx, s, r, with.Sequence)
	}
	part := &task{Planner: t.Planner, Ask: t.Ask, settings: t.settings, contact: t.contact, results: make([]Result, 1)}
	part.Steps = []events.Step{{ID: s.ID, Rule: s.Rule, Do: events.DoTag, Target: with.Tag, Literal: true}}
	part.applyAll(ctx)
	done := &part.results[0]
	t.contact = part.contact
	r.Calls, r.Status, r.Sent = r.Calls+done.Calls, done.Status, r.Sent || done.Sent
	return done.Err
}
