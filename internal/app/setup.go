package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"bridge/internal/config"
	"bridge/internal/dispatch"
	"bridge/internal/history"
	"bridge/internal/ingress"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/ops"
	"bridge/internal/queue"
	"bridge/internal/sources"
)

// What satisfies what, stated once.
var (
	_ ingress.Intake    = (*intake)(nil)
	_ dispatch.Memory   = (*queue.Queue)(nil)
	_ dispatch.Reloader = reader{}
	_ dispatch.Planner  = (*front)(nil)
	_ queue.Front       = (*front)(nil)
	_ queue.Groups      = (*groups)(nil)
	_ queue.Hands       = (*group)(nil)
	_ queue.Hurrier     = (*group)(nil)
	_ queue.IDs         = (*history.Index)(nil)
	_ history.Log       = (*queue.Queue)(nil)
	_ ops.Index         = (*history.Index)(nil)
	_ ops.Records       = (*history.Index)(nil)
	_ ops.News          = (*history.Index)(nil)
	_ ops.Archive       = (*queue.Queue)(nil)
	_ ops.Work          = (*queue.Queue)(nil)
	_ ops.Planner       = (*live)(nil)
	_ ops.Live          = (*live)(nil)
	_ ops.Switches      = (*switches)(nil)
	_ ops.Keap          = (*visits)(nil)
)

// App is a running bridge.
type App struct {
	set     Settings
	down    teardown
	worlds  *worlds
	metrics *metrics
	queue   *queue.Queue
	history *history.Index
	groups  *groups
	gate    *gate
	front   *front
	hooks   *keapHooks
	live    *live
	desk    *ops.Desk
	trace   *tracing
	intake  intake
	started atomic.Bool // everything is there
	failed  chan error  // a part that cannot go on

	HTTPAddr    string          // where webhooks are taken; "" without the role
	ConsoleAddr string          // where the console is served
	Sandbox     *sandbox.Server // nil unless asked for
	SandboxURL  string
}

// Start wires everything together, top to bottom as an event passes. What was opened is closed again when a later
// part fails. Stop ends it.
func Start(ctx context.Context, set Settings) (_ *App, err error) {
	a := &App{set: set, down: teardown{log: set.Log}, metrics: newMetrics(), failed: make(chan error, 8)}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.down.run(context.WithoutCancel(ctx)))
		}
	}()
	env, log := &a.set.Env, set.Log
	if err := env.Check(); err != nil {
		return nil, err
	}

	limitMemory()
	a.run("memory", watchMemory)
	trace, stop, err := startTracing(ctx, set.Version, log)
	if err != nil {
		return nil, err
	}
	a.trace = trace
	if stop != nil {
		a.down.add("tracing", stop)
	}

	// The configuration.
	cfg, wrong, err := config.LoadValid(env.Config)
	if err != nil {
		return nil, err
	}
	a.live = newLive(a)
	a.listMistakes(wrong)
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "warning", w.String())
	}
	reach := public
	var rehearsal *sources.Rehearsal
	if set.Sandbox {
		if err := a.startSandbox(cfg); err != nil {
			return nil, err
		}
		env.KeapBaseURL, reach = a.SandboxURL+"/crm", publicOrOwn
		if rehearsal, err = openRehearsal(env.DataDir); err != nil {
			return nil, fmt.Errorf("the key for trying senders out: %w", err)
		}
	}

	// Sources: what they may use of the world.
	a.front, a.hooks = &front{now: time.Now, trace: trace}, newKeapHooks(log)
	a.worlds = &worlds{maxBody: int64(env.MaxBody), log: log, deps: sources.Deps{
		Now: time.Now, Remember: time.Duration(env.Retention), Certificates: sources.NewCertificates(outbound(public), time.Now), Template: config.Templates{},
		HTTP: outbound(reach), Keap: a.hooks, Rehearsal: rehearsal,
	}}
	a.front.worlds, a.hooks.groupOf = a.worlds, a.worlds.groupOf
	a.worlds.use(cfg)

	// The durable queue, and the index that follows it.
	if err := os.MkdirAll(env.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	users, err := natsUsers(env.NatsUsers)
	if err != nil {
		return nil, err
	}
	if err := a.openQueue(ctx, queue.Options{
		URL: env.NatsURL, Creds: env.NatsCreds, DataDir: env.DataDir, Replicas: env.NatsReplicas, Fsync: env.Fsync, StoreKey: env.StoreKey,
		Listen: env.NatsListen, Users: users, Spool: env.Spool, Retention: time.Duration(env.Retention), ParseIngest: a.front.parseIngest, Logger: log,
	}); err != nil {
		return nil, explained(err)
	}
	a.intake.set(a.queue.Accept)
	a.down.add("queue", a.queue.Close)
	a.hooks.use(a.queue)
	if err := a.openHistory(ctx); err != nil {
		return nil, err
	}
	a.run("history", func(ctx context.Context) error { return a.history.Follow(ctx, a.queue) })
	a.run("configuration", a.reload)

	// The working side: routing, quota groups, workers.
	a.groups = &groups{
		worlds: a.worlds, queue: a.queue, plans: a.front, metrics: a.metrics, log: log, open: map[string]*group{},
		baseURL: env.KeapBaseURL, timeout: env.KeapTimeout, transport: keapTransport(a.queue.Valid), keys: newKeyBook(a.queue, log), hooks: a.hooks, trace: trace,
		tokens: func(account string) keap.TokenStore {
			return &tokenStore{queue: a.queue, account: account, key: env.SecretKey}
		},
	}
	a.run("book of keys", a.groups.keys.follow)
	a.gate = newGate(a.queue, log, a.groups.resumed)
	a.groups.gate = a.gate
	if _, _, err := a.gate.load(ctx); err != nil { // before anything is worked: a paused account is not called
		return nil, fmt.Errorf("which accounts are paused: %w", err)
	}
	a.run("gate", a.gate.follow)
	if set.has(RoleWork) {
		if err := a.queue.Start(ctx, a.groups, a.front, a.history); err != nil {
			return nil, err
		}
		a.down.add("work", a.queue.Stop)
	}

	// The console, its API, health and metrics.
	a.desk = ops.New(ops.Options{
		Index: a.history, Records: a.history, News: a.history, Archive: a.queue, Work: a.queue, Planner: a.live, Live: a.live,
		Switches: &switches{app: a}, Keap: &visits{a}, Remains: remains(env), Log: log,
	})
	a.down.add("desk", func(context.Context) error { return a.desk.Close() })
	if set.has(RoleWork) {
		a.run("quota history", a.sampleQuota)
		a.run("pauses", a.watchStops)
		a.run("chores", a.chores)
	}
	a.metrics.registry.MustRegister(&gauges{a, log})
	if err := a.startConsole(); err != nil {
		return nil, err
	}

	// The way in over HTTP is the last to start and the first to stop.
	if set.has(RoleIngest) && a.HTTPAddr == "" {
		if err := a.startIngress(); err != nil {
			return nil, err
		}
	}
	a.down.first(partIngress)
	a.started.Store(true)
	return a, nil
}
