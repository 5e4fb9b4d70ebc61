package app

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bridge/internal/ingress"
	"bridge/internal/queue"
)

// How long a start waits for NATS before it goes on without, where there is a spool, and how often it then looks.
const (
	natsPatience = 3 * time.Second
	natsLook     = time.Second
)

// openQueue opens the queue. With a spool, a cluster that is away keeps no sender waiting: webhooks go to the local disk
// from here on, and the start goes on when the cluster answers.
func (a *App) openQueue(ctx context.Context, opt queue.Options) error {
	patient := opt.Spool && opt.URL != ""
	var err error
	if !patient || a.hasAnswer(ctx, opt) {
		if a.queue, err = queue.Open(ctx, opt); err == nil || !patient || !queue.Unreachable(err) {
			return err
		}
	}
	a.set.Log.Warn("NATS cannot be reached; webhooks go to the local disk until it can", "servers", hosts(opt.URL))
	if a.set.has(RoleIngest) {
		if err := a.startIngress(); err != nil {
			return err
		}
	}
	health := consoleServer(a.waitingHealth(), a.set.Log)
	if _, err := a.listen("health", a.set.Env.ConsoleAddr, health, "", ""); err != nil {
		return err
	}
	for {
		if err := a.await(ctx, opt); err != nil {
			return err
		}
		if a.queue, err = queue.Open(ctx, opt); err == nil || !queue.Unreachable(err) {
			return errors.Join(err, health.Shutdown(ctx)) // the console needs its address
		}
	}
}

// hasAnswer looks for the cluster. What is wrong with it besides that it is away, Open says.
func (a *App) hasAnswer(ctx context.Context, opt queue.Options) bool {
	ctx, cancel := context.WithTimeout(ctx, natsPatience)
	defer cancel()
	err := queue.Reach(ctx, opt)
	return err == nil || !queue.Unreachable(err)
}

// await takes webhooks onto the local disk until the cluster answers.
func (a *App) await(ctx context.Context, opt queue.Options) (err error) {
	away, err := queue.OpenAway(ctx, opt)
	if err != nil {
		return err
	}
	a.intake.set(away.Accept)
	defer func() {
		a.intake.set(nil) // until the queue itself is open
		err = errors.Join(err, away.Close(context.WithoutCancel(ctx)))
	}()
	for !a.hasAnswer(ctx, opt) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-away.Lost():
			return errors.New("the local disk cannot be written")
		case <-time.After(natsLook):
		}
	}
	return nil
}

// waitingHealth says that the process lives, and that it takes webhooks if it does.
func (a *App) waitingHealth() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !a.set.has(RoleIngest) || !a.intake.open() {
			http.Error(w, "NATS is away", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok: webhooks go to the local disk, NATS is away\n"))
	})
	return mux
}

// startIngress opens the way in over HTTP.
func (a *App) startIngress() (err error) {
	env, log := &a.set.Env, a.set.Log
	h := ingress.New(ingress.Options{
		Intake: &a.intake, Route: a.worlds.route, TrustedProxies: env.TrustedProxies, Log: log, Now: time.Now,
		Observe: func(s ingress.Seen) {
			a.metrics.webhook(a.worlds.kind(s.Account, s.Source), s)
			a.live.saw(s)
		},
	})
	a.HTTPAddr, err = a.listen(partIngress, env.HTTPAddr, ingress.NewServer(a.withCallback(a.trace.webhooks(h, a.worlds.has)), log), env.TLSCert, env.TLSKey)
	return err
}

const partIngress = "ingress"

// hosts names the servers of a list of NATS addresses, without the user and password that may stand before them.
func hosts(list string) string {
	var all []string
	for one := range strings.SplitSeq(list, ",") {
		if u, err := url.Parse(strings.TrimSpace(one)); err == nil {
			all = append(all, u.Host)
		}
	}
	return strings.Join(all, ",")
}
