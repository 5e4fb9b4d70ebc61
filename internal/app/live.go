package app

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bridge/docs/senders"
	"bridge/internal/calls"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/ingress"
	"bridge/internal/ops"
	"bridge/internal/quota"
	"bridge/internal/sources"
)

// live tells operators what only the running parts know; it implements ops.Live and ops.Planner.
type live struct {
	app *App

	mu       sync.Mutex
	requests map[[2]string]*lastRequests // by account and source
	problems []ops.Problem               // of the last reload
}

// lastRequests are a source's last ones, newest first.
type lastRequests struct {
	list    []ops.Request
	refused int
	last    time.Time
}

// keptRequests is how many requests of a source are shown.
const keptRequests = 20

// xmlrpcEnds is when Keap stops XML-RPC (Thryv's announcement, "no extensions").
var xmlrpcEnds = time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)

func newLive(a *App) *live { return &live{app: a, requests: map[[2]string]*lastRequests{}} }

// saw remembers a request.
func (l *live) saw(s ingress.Seen) {
	if s.Account == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{s.Account, s.Source}
	r := l.requests[key]
	if r == nil {
		r = &lastRequests{}
		l.requests[key] = r
	}
	if s.Outcome == "unauthorized" {
		r.refused++
	} else {
		r.last = s.At
	}
	r.list = slices.Insert(r.list, 0, ops.Request{At: s.At.UTC(), Status: s.Status, Outcome: s.Outcome, Why: s.Why, Events: s.Events})
	if len(r.list) > keptRequests {
		r.list = r.list[:keptRequests]
	}
}

// Preview implements ops.Planner.
func (l *live) Preview(_ context.Context, e *events.Event) (events.Plan, error) {
	return l.app.front.Plan(e, time.Now())
}

// Accounts implements ops.Live.
func (l *live) Accounts(ctx context.Context) ([]ops.Account, error) {
	w := l.app.worlds.now.Load()
	byGroup := map[string]*group{}
	for _, g := range l.app.groups.list() {
		byGroup[g.name] = g
	}
	unrouted, err := l.app.queue.Unrouted(ctx)
	if err != nil {
		return nil, err
	}
	status := map[string]calls.Status{}
	var out []ops.Account
	for _, name := range slices.Sorted(maps.Keys(w.accounts)) {
		a := w.accounts[name]
		o := ops.Account{Name: name, App: a.App, Group: a.group, Ready: true, ActionSets: actionSetList(a)}
		o.Front[events.Normal] = unrouted[name] // its priority is known once it is routed
		g := byGroup[a.group]
		if g == nil {
			if err := l.stored(ctx, w.groups[a.group], &o); err != nil {
				return nil, err
			}
		} else {
			s, ok := status[a.group]
			if !ok {
				s = g.planner.Status()
				status[a.group] = s
			}
			o.Owner = owner()
			l.running(g, a, &s, &o)
		}
		if o.Credentials, err = l.app.credentials(ctx, a); err != nil {
			return nil, err
		}
		if l.app.gate.shut(name) {
			o.Paused = &ops.Pause{Reason: events.Paused}
		}
		out = append(out, o)
	}
	return out, nil
}

// owner names this process for people.
func owner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "this process"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
}

// running fills in what a group in work knows.
func (l *live) running(g *group, a *account, s *calls.Status, o *ops.Account) {
	outlook(&s.Quota, o)
	o.Plan.Linger = int(s.Linger.Seconds())
	o.Rate = float64(s.Quota.Minute.Used-s.Quota.Minute.Elsewhere) / 60
	for _, name := range []string{"", a.Name} {
		if c, ok := s.Paused[name]; ok {
			o.Ready, o.Paused = false, &ops.Pause{Reason: c.Reason, Until: &c.Until}
		}
	}
}

// stored fills in what the last owner of an idle group stored.
func (l *live) stored(ctx context.Context, g config.Group, o *ops.Account) error {
	state, who, err := l.app.queue.StoredLedger(ctx, g.Name)
	if err != nil {
		return err
	}
	look, err := quota.Look(time.Now(), quota.Config{Limits: g.Limits, Reserve: g.Reserve}, state)
	if err != nil {
		return err
	}
	o.Owner = who
	outlook(&look, o)
	return nil
}

// outlook shows the windows, the estimate and a closed window.
func outlook(q *quota.Outlook, o *ops.Account) {
	o.Quota.Second = ops.Window{Limit: q.Second.Limit, Used: q.Second.Used}
	o.Quota.Minute = ops.Window{Limit: q.Minute.Limit, Used: q.Minute.Used, Elsewhere: q.Minute.Elsewhere}
	resets := q.Day.Resets.UTC()
	o.Quota.Day = ops.Window{Limit: q.Day.Limit, Used: q.Day.Used, Elsewhere: q.Day.Elsewhere, ResetsAt: &resets}
	o.Plan = planOf(q)
	for _, eta := range q.ETA {
		if eta.After(o.ETA) {
			o.ETA = eta.UTC()
		}
	}
	if q.Closed == nil {
		return
	}
	until := q.Closed.Until.UTC()
	o.Paused = &ops.Pause{Reason: closedReason(q.Closed.Window), Until: &until}
}

func closedReason(w quota.Window) events.Reason {
	switch w {
	case quota.Day:
		return events.QuotaDay
	case quota.TenantMinute, quota.TenantDay:
		return events.QuotaTenant
	case quota.Throttled:
		return events.Throttled
	default:
		return events.QuotaMinute
	}
}

// actionSetList shows an account's action sets and what replaces them.
func actionSetList(a *account) []ops.ActionSet {
	var out []ops.ActionSet
	for _, id := range slices.Sorted(maps.Keys(a.ActionSets)) {
		s := a.ActionSets[id]
		var words []string
		for _, r := range s.ReplaceWith {
			switch {
			case r.Goal != nil:
				words = append(words, "goal "+r.Goal.Integration+"/"+r.Goal.Call)
			case r.Sequence != nil:
				words = append(words, "sequence "+r.Sequence.Automation+"/"+r.Sequence.Sequence)
			case r.Tag != "":
				words = append(words, "tag "+r.Tag)
			}
		}
		out = append(out, ops.ActionSet{ID: id, Name: s.Name, Replaced: strings.Join(words, ", "), Ends: xmlrpcEnds})
	}
	return out
}

// Sources implements ops.Live.
func (l *live) Sources(ctx context.Context) ([]ops.Source, error) {
	seen, err := l.app.history.Sources(ctx, "")
	if err != nil {
		return nil, err
	}
	last := map[[2]string]time.Time{}
	for _, s := range seen {
		last[[2]string{s.Account, s.Source}] = l.heard(s.Account, s.Source, s.Last)
	}
	w := l.app.worlds.now.Load()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []ops.Source
	for _, name := range slices.Sorted(maps.Keys(w.accounts)) {
		a := w.accounts[name]
		for _, sn := range slices.Sorted(maps.Keys(a.sources)) {
			out = append(out, l.source(name, sn, a.sources[sn], last[[2]string{name, sn}]))
		}
	}
	return out, nil
}

// defaultSilence is after how long a quiet source is reported, where it does not say itself.
const defaultSilence = 24 * time.Hour

func (l *live) source(account, name string, s *source, last time.Time) ops.Source {
	o := ops.Source{Account: account, Name: name, Kind: s.cfg.Kind}
	if s.cfg.Kind == kindNATS {
		o.Subject = "ingest." + account + "." + name
	} else {
		o.Address = l.app.publicURL() + "/hooks/" + account + "/" + name
		if !s.cfg.PathSecret.Empty() {
			o.Address += "/<path_secret>"
		}
	}
	o.Setup = senders.Steps(s.cfg.Kind, cmp.Or(o.Address, o.Subject))
	_, o.Testable = s.made.(sources.Signer)
	if r := l.requests[[2]string{account, name}]; r != nil {
		o.Requests, o.Refused = slices.Clone(r.list), r.refused
	}
	o.Silent = silent(s, last, time.Now())
	return o
}

// Problems implements ops.Live.
func (l *live) Problems(context.Context) ([]ops.Problem, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.problems), nil
}

// Finish implements ops.Live: more calls queue up behind what waits, at the pace of the minute and within the day.
func (l *live) Finish(_ context.Context, account string, n int) time.Time {
	group, ok := l.app.worlds.group(account)
	if !ok {
		return time.Time{}
	}
	now := time.Now()
	limits := l.app.worlds.now.Load().groups[group].Limits
	left, waiting := limits.Day, 0
	for _, g := range l.app.groups.list() {
		if g.name == group {
			s := g.planner.Status()
			left = s.Quota.Left
			for _, w := range s.Quota.Waiting {
				waiting += w
			}
		}
	}
	total := n + waiting
	if limits.Day == 0 || limits.Minute == 0 {
		return time.Time{}
	}
	minutes := func(calls int) time.Duration {
		return time.Duration(calls) * time.Minute / time.Duration(limits.Minute)
	}
	if total <= left {
		return now.Add(minutes(total)).UTC()
	}
	days := (total - left - 1) / limits.Day
	rest := total - left - days*limits.Day
	midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	return midnight.AddDate(0, 0, days).Add(minutes(rest))
}
