package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"bridge/internal/config"
	"bridge/internal/keap/sandbox"
)

// run starts a part that works until the app stops.
func (a *App) run(name string, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := part(ctx); err != nil && ctx.Err() == nil {
			a.failed <- fmt.Errorf("%s: %w", name, err)
		}
	}()
	a.down.add(name, func(stop context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stop.Done():
			return stop.Err()
		}
	})
}

// listen serves HTTP and returns the address that it got.
func (a *App) listen(name, addr string, srv *http.Server, cert, key string) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("%s cannot listen: %w", name, err)
	}
	go func() {
		var err error
		if cert != "" {
			err = srv.ServeTLS(l, cert, key)
		} else {
			err = srv.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("%s: %w", name, err)
		}
	}()
	a.down.add(name, srv.Shutdown)
	a.set.Log.Info("listening", "part", name, "address", l.Addr().String())
	return l.Addr().String(), nil
}

// quotaSample is how often the quota is written down for the history of days.
const quotaSample = 5 * time.Minute

// sampleQuota writes the quota of every account down now and then, until ctx ends.
func (a *App) sampleQuota(ctx context.Context) error {
	tick := time.NewTicker(quotaSample)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.desk.Sample(ctx); err != nil && ctx.Err() == nil {
				a.set.Log.Warn("the quota could not be written down", "err", err)
			}
		}
	}
}

// Wait returns when ctx ends (nil) or a part cannot go on.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	case <-a.queue.Lost():
		return errors.New("the connection to NATS is gone for good")
	}
}

// Stop ends everything within SHUTDOWN_TIMEOUT: first what takes, then what works, then what stores.
func (a *App) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.set.Env.ShutdownTimeout)
	defer cancel()
	return a.down.run(ctx)
}

// Run starts a bridge and ends it when ctx ends.
func Run(ctx context.Context, set Settings) error {
	a, err := Start(ctx, set)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil { // while it waited for NATS
		return nil
	}
	if err != nil {
		return err
	}
	set.Log.Info("started", "webhooks", a.HTTPAddr, "console", a.ConsoleAddr)
	err = a.Wait(ctx)
	set.Log.Info("stopping", "within", set.Env.ShutdownTimeout.String())
	return errors.Join(err, a.Stop())
}

// startSandbox serves the Keap simulator on a free loopback port.
func (a *App) startSandbox(cfg *config.Config) error {
	a.Sandbox = sandbox.New(sandbox.Options{Logger: a.set.Log, Hooks: &http.Client{Timeout: 30 * time.Second}})
	a.run("hooks of the sandbox", func(ctx context.Context) error { a.Sandbox.RunHooks(ctx); return nil })
	if err := prepareSandbox(a.Sandbox, cfg); err != nil {
		return err
	}
	addr, err := a.listen("sandbox", "127.0.0.1:0", sandbox.HTTPServer(a.Sandbox), "", "")
	a.SandboxURL = "http://" + addr
	a.set.Log.Warn("the Keap sandbox stands in for Keap: nothing reaches the real one", "address", a.SandboxURL)
	return err
}
