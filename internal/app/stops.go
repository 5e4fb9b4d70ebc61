package app

import (
	"context"
	"time"

	"bridge/internal/events"
	"bridge/internal/notify"
)

// stopLook is how often a process looks at the groups that it works; longStop is how long a pause has to be to be told
// of. The minute's window closes and opens all the time.
const (
	stopLook = 5 * time.Second
	longStop = 5 * time.Minute
)

// watchStops writes down when an account of this process stops calling Keap for long. What operators pause they write
// down themselves.
func (a *App) watchStops(ctx context.Context) error {
	known := map[string]events.Reason{} // by account
	for pause(ctx, stopLook) {
		now := a.stops(time.Now())
		var news []events.Outcome
		for account, s := range now {
			if known[account] != s.Reason {
				news = append(news, s)
				a.set.Log.Warn("an account does not call Keap", "account", account, "reason", s.Reason, "until", s.Until)
			}
		}
		if err := a.queue.Record(ctx, news...); err != nil {
			a.set.Log.Warn("a pause cannot be written down", "err", err)
			continue
		}
		clear(known)
		for account, s := range now {
			known[account] = s.Reason
		}
	}
	return nil
}

// stops lists the accounts of this process's groups that do not call Keap for long, and why.
func (a *App) stops(now time.Time) map[string]events.Outcome {
	found := map[string]events.Outcome{}
	w := a.worlds.now.Load()
	for _, g := range a.groups.list() {
		s := g.planner.Status()
		add := func(account string, reason events.Reason, until time.Time) {
			if until.Sub(now) < longStop && reason != events.Unauthorized && reason != events.RefreshLost {
				return
			}
			o := events.Outcome{Kind: events.OutcomeAudit, At: now.UTC(), Who: "bridge", Action: notify.ActionPaused, Account: account, Reason: reason, Detail: string(reason)}
			if reason != events.Unauthorized && reason != events.RefreshLost { // those end when a person has done something
				at := until.UTC()
				o.Until = &at
			}
			found[account] = o
		}
		for _, account := range w.groups[g.name].Accounts {
			if c := s.Quota.Closed; c != nil {
				add(account, closedReason(c.Window), c.Until)
			}
			for _, name := range []string{"", account} {
				if c, ok := s.Paused[name]; ok {
					add(account, c.Reason, c.Until)
				}
			}
		}
	}
	return found
}
