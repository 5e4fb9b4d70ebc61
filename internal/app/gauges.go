package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bridge/internal/calls"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/quota"
)

// gauges read live state when they are scraped. Every process shows what it knows: quota, lease and waiting steps of the
// groups that it works; backlog, streams and silence of the installation, which are the same everywhere.
type gauges struct {
	app *App
	log *slog.Logger
}

// gaugesWithin bounds one scrape.
const gaugesWithin = 5 * time.Second

// gauge describes one of them.
func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	quotaLimit     = gauge("bridge_quota_limit", "Calls that a quota group may make in a window.", "group", "window")
	quotaUsed      = gauge("bridge_quota_used", "Calls made in the window by everybody, as far as is known.", "group", "window")
	quotaElsewhere = gauge("bridge_quota_elsewhere", "Of these, calls that Keap counted and the bridge did not make.", "group", "window")
	quotaClosed    = gauge("bridge_quota_closed_seconds", "How long no call may go; absent when one may.", "group", "window")
	callsTomorrow  = gauge("bridge_calls_tomorrow", "Of the calls that wait, those that will not be made today, by priority.", "group", "priority")
	etaSeconds     = gauge("bridge_eta_seconds", "When the calls that wait are made, from now, by priority.", "group", "priority")
	callsFlying    = gauge("bridge_keap_calls_in_flight", "Calls to Keap on their way.", "group")
	stepsWaiting   = gauge("bridge_keap_steps_waiting", "Steps that wait for a permit or for company, by priority.", "group", "priority")
	leaseOwner     = gauge("bridge_lease_owner", "1 for each quota group that this process works.", "group")
	accountPaused  = gauge("bridge_account_paused", "1 while an account does not call Keap, with the reason.", "account", "reason")
	backlogEvents  = gauge("bridge_backlog_events", "Accepted events that wait or are in hand, by priority.", "account", "priority")
	unroutedEvents = gauge("bridge_unrouted_events", "Accepted events that are not routed yet.", "account")
	parkedEvents   = gauge("bridge_parked_events", "Events that wait for a time, by reason.", "account", "reason")
	failedEvents   = gauge("bridge_failed_events", "Failed events, which need a person, by reason.", "account", "reason")
	doubtEvents    = gauge("bridge_in_doubt_events", "Events of which a step may have happened.", "account")
	oldestSeconds  = gauge("bridge_oldest_event_seconds", "Age of the oldest event that is not settled, by priority; absent when there is none.", "priority")
	sourceSilent   = gauge("bridge_source_silent", "1 for each source that is quiet for longer than its silent_after.", "account", "source")
	configProblems = gauge("bridge_config_problems", "Mistakes in configuration files whose last good version stays in force.")
	streamMessages = gauge("bridge_stream_messages", "Messages that a JetStream stream holds.", "stream")
	streamBytes    = gauge("bridge_stream_bytes", "Bytes that a JetStream stream holds.", "stream")
	streamLast     = gauge("bridge_stream_last_sequence", "Sequence of a stream's newest message.", "stream")
	scrapeErrors   = gauge("bridge_gauges_failed", "1 when live state could not be read for this scrape; the log says why.")
	resendsFound   = gauge("bridge_events_duplicate_total", "Events found behind the durable line to have come before, and dropped.")
	buildInfo      = gauge("bridge_build_info", "1, with the version.", "version")
)

var allGauges = []*prometheus.Desc{
	quotaLimit, quotaUsed, quotaElsewhere, quotaClosed, etaSeconds, callsTomorrow, callsFlying, stepsWaiting, leaseOwner, accountPaused, backlogEvents,
	unroutedEvents, parkedEvents, failedEvents, doubtEvents, oldestSeconds, sourceSilent, configProblems, streamMessages, streamBytes,
	streamLast, scrapeErrors, resendsFound, buildInfo,
}

// Describe implements prometheus.Collector.
func (*gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range allGauges {
		ch <- d
	}
}

// scrape is one reading on its way out.
type scrape struct{ ch chan<- prometheus.Metric }

func (s scrape) put(d *prometheus.Desc, value float64, labels ...string) {
	s.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

// Collect implements prometheus.Collector. What cannot be read is left out and said to be missing.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugesWithin)
	defer cancel()
	out := scrape{ch}
	failed := 0.0
	for _, part := range []func(context.Context, scrape) error{g.groups, g.accounts, g.oldest, g.streams} {
		if err := part(ctx, out); err != nil {
			failed = 1
			g.log.Warn("a metric cannot be read", "err", err)
		}
	}
	out.put(scrapeErrors, failed)
	ch <- prometheus.MustNewConstMetric(resendsFound, prometheus.CounterValue, float64(g.app.queue.Resends()))
	out.put(buildInfo, 1, g.app.set.Version)
}

// groups shows the quota groups that this process works. Over an embedded store nobody else can work the others, so
// that it shows those too, as their ledgers are stored.
func (g *gauges) groups(ctx context.Context, out scrape) error {
	w := g.app.worlds.now.Load()
	here := map[string]bool{}
	for _, grp := range g.app.groups.list() {
		s := grp.planner.Status()
		here[grp.name] = true
		out.put(leaseOwner, 1, grp.name)
		out.put(callsFlying, float64(s.Flying), grp.name)
		for _, p := range events.Priorities {
			out.put(stepsWaiting, float64(s.Steps[p]), grp.name, p.String())
		}
		out.quota(grp.name, &s.Quota, time.Now())
		for _, account := range w.groups[grp.name].Accounts {
			out.paused(account, &s)
		}
	}
	if g.app.set.Env.NatsURL != "" || len(w.groups) > mostIdleGroups {
		return nil
	}
	for name, idle := range w.groups {
		if here[name] {
			continue
		}
		if err := g.idle(ctx, name, &idle, out); err != nil {
			return err
		}
	}
	return nil
}

// mostIdleGroups is how many stored ledgers a scrape reads at most; beyond that it reads none.
const mostIdleGroups = 500

func (g *gauges) idle(ctx context.Context, name string, grp *config.Group, out scrape) error {
	ledger := quota.New(quota.Config{Limits: grp.Limits, Reserve: grp.Reserve})
	state, _, err := g.app.queue.StoredLedger(ctx, name)
	if err != nil {
		return err
	}
	if err := ledger.Restore(time.Now(), state); err != nil {
		return err
	}
	look := ledger.Outlook(time.Now())
	out.quota(name, &look, time.Now())
	return nil
}

func (s scrape) quota(group string, q *quota.Outlook, now time.Time) {
	for window, u := range map[string]*quota.Usage{
		"second": &q.Second, "minute": &q.Minute, "day": &q.Day, "tenant_minute": &q.TenantMinute, "tenant_day": &q.TenantDay,
	} {
		if u.Limit == 0 {
			continue // the window is not limited
		}
		s.put(quotaLimit, float64(u.Limit), group, window)
		s.put(quotaUsed, float64(u.Used), group, window)
		s.put(quotaElsewhere, float64(u.Elsewhere), group, window)
	}
	if c := q.Closed; c != nil {
		s.put(quotaClosed, max(0, c.Until.Sub(now).Seconds()), group, c.Window.String())
	}
	for _, p := range events.Priorities {
		if eta := q.ETA[p]; !eta.IsZero() {
			s.put(etaSeconds, max(0, eta.Sub(now).Seconds()), group, p.String())
			s.put(callsTomorrow, float64(q.Tomorrow[p]), group, p.String())
		}
	}
}

// paused shows a refused credential, or else a window that is closed for more than moments.
func (s scrape) paused(account string, st *calls.Status) {
	for _, name := range []string{account, ""} {
		if c, ok := st.Paused[name]; ok {
			s.put(accountPaused, 1, account, string(c.Reason))
			return
		}
	}
	if c := st.Quota.Closed; c != nil && time.Until(c.Until) > longStop {
		s.put(accountPaused, 1, account, string(closedReason(c.Window)))
	}
}

// accounts shows backlog and trouble of each account, and what operators have to look at.
func (g *gauges) accounts(ctx context.Context, out scrape) error {
	tallies, err := g.app.history.Tallies(ctx)
	if err != nil {
		return err
	}
	type series struct {
		desc           *prometheus.Desc
		account, label string
	}
	sums := map[series]int{}
	for _, t := range tallies {
		switch t.State {
		case events.Waiting, events.Working:
			sums[series{backlogEvents, t.Account, t.Priority.String()}] += t.Events
		case events.Parked:
			sums[series{parkedEvents, t.Account, string(t.Reason)}] += t.Events
		case events.Failed:
			sums[series{failedEvents, t.Account, string(t.Reason)}] += t.Events
		case events.InDoubt:
			sums[series{doubtEvents, t.Account, ""}] += t.Events
		}
	}
	for s, n := range sums {
		if s.desc == doubtEvents {
			out.put(s.desc, float64(n), s.account)
			continue
		}
		out.put(s.desc, float64(n), s.account, s.label)
	}
	for account := range g.app.worlds.now.Load().accounts {
		if g.app.gate.shut(account) {
			out.put(accountPaused, 1, account, string(events.Paused))
		}
	}
	problems, err := g.app.live.Problems(ctx)
	if err != nil {
		return err
	}
	out.put(configProblems, float64(len(problems)))
	list, err := g.app.live.Sources(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		if s := &list[i]; s.Silent {
			out.put(sourceSilent, 1, s.Account, s.Name)
		}
	}
	return nil
}

func (g *gauges) oldest(ctx context.Context, out scrape) error {
	oldest, err := g.app.history.Oldest(ctx)
	if err != nil {
		return err
	}
	for _, p := range events.Priorities {
		if at := oldest[p]; !at.IsZero() {
			out.put(oldestSeconds, max(0, time.Since(at).Seconds()), p.String())
		}
	}
	unrouted, err := g.app.queue.Unrouted(ctx)
	if err != nil {
		return err
	}
	for account, n := range unrouted {
		if g.app.worlds.find(account) != nil { // publishers may name what they like
			out.put(unroutedEvents, float64(n), account)
		}
	}
	return nil
}

func (g *gauges) streams(ctx context.Context, out scrape) error {
	list, err := g.app.queue.Streams(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		out.put(streamMessages, float64(s.Messages), s.Name)
		out.put(streamBytes, float64(s.Bytes), s.Name)
		out.put(streamLast, float64(s.Last), s.Name)
	}
	return nil
}
