package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/notify"
	"bridge/internal/queue"
)

// chores are done by one process for all: it sweeps, tells others and watches for silence. An embedded store belongs to
// this process alone.
func (a *App) chores(ctx context.Context) error {
	work := func(ctx context.Context) {
		var all sync.WaitGroup
		all.Go(func() { a.sweeps(ctx) })
		all.Go(func() { a.watchSilence(ctx) })
		all.Go(func() { a.tellOthers(ctx) })
		all.Wait()
	}
	if a.set.Env.NatsURL == "" {
		work(ctx)
		return nil
	}
	d := &duty{notes: a.queue, process: randomToken(), log: a.set.Log}
	return d.do(ctx, work)
}

// worldLook is how often the chores look for a changed configuration.
const worldLook = 2 * time.Second

// tellOthers runs a follower for each receiver, and begins anew when the configuration changes.
func (a *App) tellOthers(ctx context.Context) {
	client := notify.NewClient()
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		w := a.worlds.now.Load()
		here, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		for _, r := range a.receivers(w, client) {
			f := &notify.Follower{Receiver: r, Log: a.queue, Notes: a.queue, Row: a.row, Observe: a.metrics.told, Logger: a.set.Log}
			all.Go(func() { _ = f.Run(here) }) // it ends with its context only
		}
		for a.worlds.now.Load() == w && pause(ctx, worldLook) {
			continue
		}
		stop()
		all.Wait()
	}
}

// receivers are the webhooks of notify:, and NATS where an account takes Keap's hooks.
func (a *App) receivers(w *world, client *http.Client) []notify.Receiver {
	var list []notify.Receiver
	for i := range w.cfg.Notify {
		list = append(list, a.webhook(&w.cfg.Notify[i], client))
	}
	for _, acc := range w.accounts {
		if acc.takesHooks() {
			return append(list, &outside{a.queue})
		}
	}
	return list
}

func (a *App) webhook(n *config.Notify, client *http.Client) notify.Receiver {
	return &notify.Webhook{URL: n.URL, Secret: n.Secret, On: n.On, Client: client}
}

// takesHooks tells whether the account has a source for Keap's hooks.
func (a *account) takesHooks() bool {
	for _, s := range a.sources {
		if s.cfg.Kind == "keap" {
			return true
		}
	}
	return false
}

// rowWithin is how long a message waits for the index to know its events.
const rowWithin = 2 * time.Second

// row finds what the index knows of an event.
func (a *App) row(ctx context.Context, account, key string) (events.Row, bool) {
	ctx, cancel := context.WithTimeout(ctx, rowWithin)
	defer cancel()
	for {
		rows, err := a.history.Find(ctx, key, account, "")
		if err != nil {
			return events.Row{}, false
		}
		if len(rows) == 1 && rows[0].State.Settled() {
			return rows[0], true
		}
		if !pause(ctx, 50*time.Millisecond) { // the index reads the same log, a moment later
			return events.Row{}, false
		}
	}
}

// outside tells other systems on NATS what Keap's hooks said.
type outside struct{ queue *queue.Queue }

// Name implements notify.Receiver.
func (*outside) Name() string { return "NATS events.>" }

// Wants implements notify.Receiver.
func (*outside) Wants(typ string) bool { return strings.HasPrefix(typ, "keap.") }

// Send implements notify.Receiver.
func (o *outside) Send(ctx context.Context, m notify.Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return o.queue.PublishOut(ctx, m.Account, m.Type, m.ID, body)
}

// silenceLook is how often sources are looked at.
const silenceLook = time.Minute

const silentNote = "silent sources"

// watchSilence writes down, once for each silence, that a source is quiet for longer than its silent_after.
func (a *App) watchSilence(ctx context.Context) {
	for {
		if err := a.lookForSilence(ctx); err != nil && ctx.Err() == nil {
			a.set.Log.Warn("sources cannot be watched for silence", "err", err)
		}
		if !pause(ctx, silenceLook) {
			return
		}
	}
}

func (a *App) lookForSilence(ctx context.Context) error {
	quiet, err := a.quiet(ctx)
	if err != nil {
		return err
	}
	value, revision, err := a.queue.Note(ctx, silentNote)
	if err != nil {
		return err
	}
	known := map[string]time.Time{} // last heard of, by account/source
	if value != nil {
		if err := json.Unmarshal(value, &known); err != nil {
			return err
		}
	}
	var news []events.Outcome
	for name, last := range quiet {
		if !known[name].Equal(last) {
			account, source, _ := strings.Cut(name, "/")
			news = append(news, events.Outcome{Kind: events.OutcomeAudit, At: time.Now().UTC(), Who: "bridge", Action: notify.ActionSilent,
				Account: account, Target: source, Detail: "nothing since " + last.UTC().Format(time.RFC3339)})
			a.set.Log.Warn("a source is silent", "account", account, "source", source, "since", last)
		}
	}
	if len(news) == 0 && len(known) == len(quiet) {
		return nil
	}
	if err := a.queue.Record(ctx, news...); err != nil {
		return err
	}
	if value, err = json.Marshal(quiet); err != nil {
		return err
	}
	if _, err = a.queue.SaveNote(ctx, silentNote, value, revision); errors.Is(err, queue.ErrConflict) {
		return nil // somebody else looks too; the next look tells
	}
	return err
}

// quiet lists the sources that are silent, with the time of their last event.
func (a *App) quiet(ctx context.Context) (map[string]time.Time, error) {
	seen, err := a.history.Sources(ctx, "")
	if err != nil {
		return nil, err
	}
	list := map[string]time.Time{}
	for _, s := range seen {
		acc := a.worlds.find(s.Account)
		if acc == nil || acc.sources[s.Source] == nil {
			continue
		}
		if last := a.live.heard(s.Account, s.Source, s.Last); silent(acc.sources[s.Source], last, time.Now()) {
			list[s.Account+"/"+s.Source] = last
		}
	}
	return list, nil
}

// silent tells whether a source that was heard of last then is quiet for too long.
func silent(s *source, last, now time.Time) bool {
	after := s.cfg.SilentAfter
	if after == 0 {
		after = defaultSilence
	}
	return !last.IsZero() && now.Sub(last) > after
}

// heard is when a source was heard of last, with requests that brought no event.
func (l *live) heard(account, source string, event time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.requests[[2]string{account, source}]; r != nil && r.last.After(event) {
		return r.last
	}
	return event
}
