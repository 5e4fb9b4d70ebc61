package e2e

import (
	"io"
	"log/slog"
	"net"
	"strconv"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/events"
)

// TestOrdersWhileNATSIsAway: with BRIDGE_SPOOL orders are accepted on the bridge's own disk while the NATS server is
// away. When it is back each of them has its effect, once, resends included.
func TestOrdersWhileNATSIsAway(t *testing.T) {
	const before, during = 3, 20
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
	outside := startNATS(t, options)
	t.Cleanup(func() { // after the bridge has stopped
		outside.Shutdown()
		outside.WaitForShutdown()
	})
	env := config.DefaultEnv()
	env.Config, env.DataDir, env.KeapBaseURL = cfg, data, keap
	env.HTTPAddr, env.ConsoleAddr, env.NatsURL, env.Spool = "127.0.0.1:0", "127.0.0.1:0", outside.ClientURL(), true
	a, err := app.Start(t.Context(), app.Settings{Env: env, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	c := client(t)
	send := func(from, to int) {
		for n := from; n <= to; n++ {
			for range 2 { // the second is a resend
				status, err := postOrder(t.Context(), c, "http://"+a.HTTPAddr, order(n, n%5))
				if err != nil || status/100 != 2 {
					t.Fatalf("order %d: %d %v", n, status, err)
				}
			}
		}
	}
	send(1, before)
	outside.Shutdown()
	outside.WaitForShutdown()
	send(before+1, before+during)
	outside = startNATS(t, options)

	rows := (&api{c, "http://" + a.ConsoleAddr}).settled(t, before+during)
	effects := effectsOf(crm)
	for n := 1; n <= before+during; n++ {
		row := rows[orderID(n)]
		if row.State != events.Done {
			t.Errorf("order %d is %q %s", n, row.State, row.Detail)
		}
		effects.checkOrder(t, n, n%5, row)
	}
	if len(rows) != before+during {
		t.Errorf("%d events, want %d", len(rows), before+during)
	}
}

func startNATS(t *testing.T, options *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(options.Clone())
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	return s
}
