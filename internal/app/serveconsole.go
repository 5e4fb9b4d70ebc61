package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"bridge/internal/config"
	"bridge/internal/console"
	"bridge/internal/secret"
)

// startConsole serves console, API, health and metrics, and leaves word of it for commands on this machine.
func (a *App) startConsole() error {
	env := &a.set.Env
	opt := console.Options{
		Desk: a.desk, Version: a.set.Version, Log: a.set.Log, Token: env.ConsoleToken, MetricsToken: env.MetricsToken,
		Secure: strings.HasPrefix(env.PublicURL, "https://"), Metrics: a.metrics.handler(), Ready: a.ready, Configure: a.configure, Backup: a.backup,
	}
	if env.ConsoleProxyHeader != "" {
		opt.ProxyHeader, opt.ProxyFrom = env.ConsoleProxyHeader, env.TrustedProxies
		opt.ProxyRole, _ = console.ParseRole(env.ConsoleProxyRole) // checked with the environment
	}
	if env.ConsoleTokens != "" {
		f, err := os.Open(env.ConsoleTokens)
		if err != nil {
			return mistaken("BRIDGE_CONSOLE_TOKENS", err)
		}
		defer f.Close()
		if opt.Tokens, err = console.ReadTokens(f); err != nil {
			return mistaken(env.ConsoleTokens, err)
		}
	}
	hand := Handover{PID: os.Getpid(), Store: storeOf(env.NatsURL), Token: randomToken()}
	opt.Hand = secret.New(hand.Token)
	c := console.New(opt)
	a.down.add("console streams", func(context.Context) error { return c.Close() })
	addr, err := a.listen("console", env.ConsoleAddr, consoleServer(c, a.set.Log), "", "")
	if err != nil {
		return err
	}
	a.ConsoleAddr = addr
	hand.Address = "http://" + reachable(addr)
	if a.set.Visitor && env.NatsURL != "" {
		return nil // a serve of this directory may have left its own word
	}
	remove, err := leaveHandover(env.DataDir, hand)
	if err != nil {
		return err
	}
	a.down.add("handover", remove)
	return nil
}

// mistaken is what is wrong with the environment, or with a file that it names.
func mistaken(where string, err error) error {
	return config.Mistakes{{File: where, Text: err.Error()}}
}

// consoleServer has every limit. What lasts longer than an answer may (live streams, backups) moves its own as it goes on.
func consoleServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// backup writes everything that is stored while the bridge works.
func (a *App) backup(ctx context.Context, w io.Writer) error {
	_, err := a.queue.Backup(ctx, w)
	return err
}

// ready tells whether this process can take and work events.
func (a *App) ready(context.Context) error {
	if !a.started.Load() {
		return errors.New("it is starting") // the console is there before webhooks are taken
	}
	select {
	case <-a.queue.Lost():
		return errors.New("the connection to NATS is gone for good")
	default:
	}
	if !a.queue.Connected() && !(a.set.Env.Spool && a.set.has(RoleIngest)) { // with a spool it takes webhooks all the same
		return errors.New("NATS is away")
	}
	return nil
}

// publicURL is the address that senders see.
func (a *App) publicURL() string {
	if u := strings.TrimSuffix(a.set.Env.PublicURL, "/"); u != "" {
		return u
	}
	return "http://" + reachable(a.HTTPAddr)
}

// reachable turns an address that was listened on into one that can be called on this machine.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
