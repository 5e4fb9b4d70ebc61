package e2e

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/events"
)

// TestStartWhileNATSIsAway: with BRIDGE_SPOOL a bridge that starts while the NATS server is away takes orders at once, and is
// alive and ready for that. When the server comes each of them has its effect, once.
func TestStartWhileNATSIsAway(t *testing.T) {
	const during, after = 10, 3
	crm, keap := keap(t, 1)
	cfg, data := folder(t, shopRules)
	host, port, err := net.SplitHostPort(freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	options := &server.Options{ServerName: "outside", Host: host, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true}
	if options.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	env := config.DefaultEnv()
	env.Config, env.DataDir, env.KeapBaseURL = cfg, data, keap
	env.HTTPAddr, env.ConsoleAddr, env.NatsURL, env.Spool = freePort(t), freePort(t), "nats://"+net.JoinHostPort(host, port), true
	var outside *server.Server
	t.Cleanup(func() { // after the bridge has stopped
		if outside != nil {
			outside.Shutdown()
			outside.WaitForShutdown()
		}
	})
	set := app.Settings{Env: env, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	c := client(t)
	send := func(from, to int) {
		t.Helper()
		for n := from; n <= to; n++ {
			status, err := postOrder(t.Context(), c, "http://"+env.HTTPAddr, order(n, n%5))
			if err != nil || status/100 != 2 {
				t.Fatalf("order %d: %d %v", n, status, err)
			}
		}
	}
	ready := func() int {
		res, err := c.Get("http://" + env.ConsoleAddr + "/readyz")
		if err != nil {
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}

	// One that is stopped while it waits ends in peace, and leaves what it took to the next.
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, set) }()
	eventually(t, "it is ready", func() bool { return ready() == http.StatusOK })
	send(1, during/2)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}

	ctx, stop = context.WithCancel(t.Context())
	go func() { ended <- app.Run(ctx, set) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "it is ready again", func() bool { return ready() == http.StatusOK })
	send(during/2+1, during)
	outside = startNATS(t, options)
	api := &api{c, "http://" + env.ConsoleAddr}
	eventually(t, "the console is there", func() bool { return api.get(t.Context(), "/api/status", new(any)) == nil })
	send(during+1, during+after)
	rows := api.settled(t, during+after)
	effects := effectsOf(crm)
	for n := 1; n <= during+after; n++ {
		row := rows[orderID(n)]
		if row.State != events.Done {
			t.Errorf("order %d is %q %s", n, row.State, row.Detail)
		}
		effects.checkOrder(t, n, n%5, row)
	}
	if len(rows) != during+after {
		t.Errorf("%d events, want %d", len(rows), during+after)
	}
}

// eventually waits until ok, which is asked again and again.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", patience, what)
		case <-look.C:
		}
	}
}
