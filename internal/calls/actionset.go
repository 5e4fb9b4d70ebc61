package calls

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// actionSet runs an action set over XML-RPC while that lives, else what replaces it.
func (t *task) actionSet(ctx context.Context, s *events.Step, r *Result) error {
	t.recallOutage(ctx)
	begun, err := t.begunReplacing(ctx, s)
	if err != nil {
		return err
	}
	if begun > 0 {
		return t.replace(ctx, s, r, begun)
	}
	prober, err := t.xmlrpc.enter(t.Account, t.Key, time.Now())
	switch {
	case errors.Is(err, errGone):
		return t.replace(ctx, s, r, 0)
	case err != nil:
		return err
	}
	err = t.onContact(ctx, r, request{
		operation: "action_sets.run", rank: ending, step: s, unsafe: true, subjects: 1,
		may: func() error { return t.xmlrpc.stillMay(t.Account, t.Key, prober, time.Now()) },
		send: func(ctx context.Context) error {
			results, err := t.settings.Keap.RunActionSet(ctx, t.contact, s.Target)
			if err != nil {
				return notFound(err)
			}
			return actionError(results)
		},
	})
	switch kind := keap.KindOf(err); {
	case kind == keap.KindBrownout:
		t.suspectOutage()
		if !t.restWorks(ctx, r) {
			t.dropSuspicion()
			return err
		}
		r.Sent = false // the gateway answered in XML-RPC's place: nothing ran
		until, gone := t.beginOutage(ctx)
		if gone {
			return t.replace(ctx, s, r, 0)
		}
		return brownedOut(until)
	case err == nil, answeredByXMLRPC(err):
		t.endOutage(ctx)
	}
	return err
}

// answeredByXMLRPC tells a fault: an error, but a sign of life.
func answeredByXMLRPC(err error) bool {
	var e *keap.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case keap.KindFault, keap.KindNotFound:
		return true
	case keap.KindServer, keap.KindOverloaded:
		return e.Code != "" // the number of a fault; what else answers 5xx is a brownout
	}
	return false
}

// recordNotFound is the fault of a contact or an action set that is not there (any more).
const recordNotFound = "5"

// notFound words that fault as REST does, so that a contact that was merged away is followed.
func notFound(err error) error {
	var e *keap.Error
	if !errors.As(err, &e) || e.Kind != keap.KindFault || e.Code != recordNotFound {
		return err
	}
	missing := *e
	missing.Kind = keap.KindNotFound
	return &missing
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

// replace does the configured steps in the place of an action set, from the one that is due. What is done of a list is
// remembered, so that a failure in the middle repeats nothing.
func (t *task) replace(ctx context.Context, s *events.Step, r *Result, due int) error {
	list := t.settings.ActionSets[s.Target].ReplaceWith
	if len(list) == 0 {
		return &Invalid{Reason: events.NoReplacement, Detail: fmt.Sprintf(
			"XML-RPC is gone and nothing replaces action set %s (add action_sets.%s.replace_with to the account's configuration, then replay)", s.Target, s.Target)}
	}
	for i := due; i < len(list); i++ {
		r.Sent = false // what is remembered is in no doubt
		if err := t.replaceOne(ctx, s, r, list[i]); err != nil {
			return err
		}
		if len(list) > 1 {
			t.keepReplaced(ctx, s, i+1)
		}
	}
	return nil
}

// replacedKept is how long it is remembered how far a list of replacements was done; no retry comes later.
const replacedKept = 14 * 24 * time.Hour

func (t *task) replacedKey(s *events.Step) string {
	return t.Account + "/replaced/" + t.Key + "/" + s.ID
}

// begunReplacing tells how much of the replacement of a step was done by an earlier attempt.
func (t *task) begunReplacing(ctx context.Context, s *events.Step) (done int, err error) {
	key := t.replacedKey(s)
	t.xmlrpc.mu.Lock()
	done, known := t.xmlrpc.ofLocked(t.Account).partial[key]
	t.xmlrpc.mu.Unlock()
	if known || t.c.Memory == nil || len(t.settings.ActionSets[s.Target].ReplaceWith) < 2 {
		return done, nil
	}
	stored, known, err := t.c.Memory.Contact(ctx, t.c.Group, key)
	if err != nil || !known {
		return 0, err
	}
	return strconv.Atoi(string(stored))
}

func (t *task) keepReplaced(ctx context.Context, s *events.Step, done int) {
	key := t.replacedKey(s)
	whole := done == len(t.settings.ActionSets[s.Target].ReplaceWith)
	t.xmlrpc.mu.Lock()
	if partial := t.xmlrpc.ofLocked(t.Account).partial; whole {
		delete(partial, key)
	} else {
		partial[key] = done
	}
	t.xmlrpc.mu.Unlock()
	if whole || t.c.Memory == nil {
		return
	}
	if err := t.c.Memory.SaveContact(context.WithoutCancel(ctx), t.c.Group, key, []byte(strconv.Itoa(done)), replacedKept); err != nil {
		t.log.Warn("how far an action set is replaced cannot be stored", "account", t.Account, "err", err)
	}
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
	r.Calls, r.Status = r.Calls+done.Calls, done.Status // not Sent: a tag may be applied again, which the step it stands for may not
	return done.Err
}
