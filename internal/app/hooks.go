package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bridge/internal/keap"
	"bridge/internal/ops"
)

// sourceKeap is the kind of sources that take Keap's own hooks.
const sourceKeap = "keap"

// What a hook without a subscription has for its status.
const hookMissing = "missing"

// Hooks implements ops.Keap.
func (v *visits) Hooks(ctx context.Context, account string) (list []ops.Hook, err error) {
	visit, err := v.app.visit(ctx, account)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, visit.close(ctx)) }()
	lines, err := visit.hooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		list = append(list, l.Hook)
	}
	return list, nil
}

// SyncHooks implements ops.Keap. One hook that fails does not keep the others from being put right.
func (v *visits) SyncHooks(ctx context.Context, account string) (list []ops.Hook, err error) {
	if v.app.set.Env.NatsURL == "" && v.app.HTTPAddr == "" {
		return nil, &ops.Error{Kind: ops.Conflict, Message: "bridge serve does not run: nobody would answer Keap's handshake", Hint: "start bridge serve, then ask again"}
	}
	visit, err := v.app.visit(ctx, account)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, visit.close(ctx)) }()
	lines, err := visit.hooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if err := visit.sync(ctx, &l); err != nil {
			var asked *ops.Error
			if !errors.As(err, &asked) {
				return nil, err
			}
			l.Error = asked.Error()
		}
		list = append(list, l.Hook)
	}
	return list, nil
}

// hookLine is one line of the list with the address that Keap is to post to. The address holds a secret.
type hookLine struct {
	ops.Hook
	target string
}

// hooks compares what the configuration wants with what Keap has at our addresses. Others' subscriptions are left out.
func (v *visit) hooks(ctx context.Context) ([]hookLine, error) {
	targets, err := v.targets()
	if err != nil || len(targets) == 0 {
		return nil, err
	}
	var have []keap.Hook
	if err := v.call(ctx, func() (err error) { have, err = v.keap.Hooks(ctx); return err }); err != nil {
		return nil, err
	}
	wanted, err := v.wantedHooks(ctx)
	if err != nil {
		return nil, err
	}
	var lines []hookLine
	for _, source := range slices.Sorted(maps.Keys(targets)) {
		target := targets[source]
		missing := slices.Clone(wanted)
		for _, h := range have {
			if h.URL != target.address && !strings.HasPrefix(h.URL, target.prefix) {
				continue
			}
			line := hookLine{ops.Hook{Source: source, Event: h.EventKey, Key: h.Key, Status: h.Status}, target.address}
			if i := slices.Index(missing, h.EventKey); i >= 0 && h.URL == target.address {
				missing = slices.Delete(missing, i, i+1)
				line.Wanted = true
			}
			lines = append(lines, line)
		}
		for _, event := range missing {
			lines = append(lines, hookLine{ops.Hook{Source: source, Event: event, Status: hookMissing, Wanted: true}, target.address})
		}
	}
	slices.SortStableFunc(lines, func(a, b hookLine) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Event, b.Event)) })
	return lines, nil
}

// hookTarget is where Keap is to post for a source. What begins with prefix is ours, under an older secret perhaps.
type hookTarget struct{ address, prefix string }

// targets are the addresses of the account's sources of kind keap.
func (v *visit) targets() (map[string]hookTarget, error) {
	targets := map[string]hookTarget{}
	for name, s := range v.account.Sources {
		if s.Kind != sourceKeap {
			continue
		}
		base, err := v.app.hookBase()
		if err != nil {
			return nil, err
		}
		prefix := base + "/hooks/" + v.account.Name + "/" + name + "/"
		targets[name] = hookTarget{prefix + s.PathSecret.Reveal(), prefix}
	}
	return targets, nil
}

// hookBase is the address under which Keap reaches the ingress.
func (a *App) hookBase() (string, error) {
	if a.set.Env.PublicURL == "" && a.Sandbox == nil {
		return "", &ops.Error{Kind: ops.Conflict, Message: "Keap cannot be told where to post: BRIDGE_PUBLIC_URL is not set",
			Hint: "set it to the https:// address under which the internet reaches BRIDGE_HTTP_ADDR, and start bridge serve with it"}
	}
	return a.publicURL(), nil
}

// wantedHooks are the event keys that rules and notifications of the configuration name, patterns spelt out.
func (v *visit) wantedHooks(ctx context.Context) ([]string, error) {
	patterns := v.app.keapPatterns(v.account)
	if len(patterns) == 0 {
		return nil, nil
	}
	if !slices.ContainsFunc(patterns, func(p string) bool { return strings.HasSuffix(p, "*") }) {
		return patterns, nil
	}
	var keys []string
	if err := v.call(ctx, func() (err error) { keys, err = v.keap.HookEventKeys(ctx); return err }); err != nil {
		return nil, err
	}
	wanted := slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		return !slices.ContainsFunc(patterns, func(p string) bool {
			prefix, wild := strings.CutSuffix(p, "*")
			return p == key || wild && strings.HasPrefix(key, prefix)
		})
	})
	for _, p := range patterns { // those that Keap does not list are asked for all the same, so that its answer is seen
		if !strings.HasSuffix(p, "*") && !slices.Contains(wanted, p) {
			wanted = append(wanted, p)
		}
	}
	slices.Sort(wanted)
	return slices.Compact(wanted), nil
}

// keapPatterns are the event keys and patterns of keys that an account's rules and the notifications wait for.
func (a *App) keapPatterns(acc *account) []string {
	cfg := a.worlds.now.Load().cfg
	var types []string
	for _, r := range acc.Rules {
		types = append(types, r.On...)
		for _, shared := range cfg.RuleSets[r.Use] {
			types = append(types, shared.On...)
		}
	}
	for _, n := range cfg.Notify {
		types = append(types, n.On...)
	}
	var patterns []string
	for _, t := range types {
		if key, ok := strings.CutPrefix(t, "keap."); ok {
			patterns = append(patterns, key)
		}
	}
	slices.Sort(patterns)
	return slices.Compact(patterns)
}

// What sync did.
const (
	hookCreated  = "created"
	hookVerified = "verified again"
	hookDeleted  = "deleted"
)

// sync puts one subscription right.
func (v *visit) sync(ctx context.Context, l *hookLine) error {
	verified := strings.EqualFold(l.Status, "Verified")
	switch {
	case !l.Wanted:
		l.Done = hookDeleted
		return v.call(ctx, func() error { return v.keap.DeleteHook(ctx, l.Key) })
	case verified:
		return nil
	}
	if err := v.app.hooks.expect(ctx, v.account.Name, l.Source); err != nil {
		return err
	}
	var got keap.Hook
	err := v.call(ctx, func() (err error) {
		if l.Key == "" {
			got, err = v.keap.CreateHook(ctx, l.Event, l.target)
			return err
		}
		got, err = v.keap.VerifyHook(ctx, l.Key)
		return err
	})
	if err != nil {
		return err
	}
	if l.Done = hookVerified; l.Key == "" {
		l.Done = hookCreated
	}
	l.Key, l.Status = got.Key, got.Status
	if !got.Verified() {
		return &ops.Error{Kind: ops.Outside, Message: fmt.Sprintf("Keap could not verify it: it is %s", strings.ToLower(got.Status)),
			Hint: "does the internet reach " + v.app.publicURL() + "? then run bridge hooks sync again"}
	}
	return nil
}
