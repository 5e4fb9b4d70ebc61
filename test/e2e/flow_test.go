package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// TestOrdersAndLeads: 500 WooCommerce orders over HTTP and 500 leads over NATS meet a Keap that fails 5 % of its
// calls in every way. Every event ends done, or failed or in doubt with a reason, and the CRM holds exactly what the rules say.
func TestOrdersAndLeads(t *testing.T) {
	const orders, leads = 500, 500
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	crm, url := keap(t, seed)
	faults := []sandbox.Fault{}
	for _, kind := range []string{"status:503", "status:500", "timeout_before", "timeout_after", "reset"} {
		faults = append(faults, sandbox.Fault{Match: sandbox.Match{Rate: 0.01}, Fault: kind})
	}
	if err := crm.SetFaults(faults); err != nil {
		t.Fatal(err)
	}
	a, publisher := inProcess(t, url)
	var sending sync.WaitGroup
	c := client(t)
	sending.Go(func() { sendOrders(t, c, "http://"+a.HTTPAddr, orders) })
	sending.Go(func() { sendLeads(t, publisher, leads) })
	sending.Wait()
	rows := (&api{c, "http://" + a.ConsoleAddr}).settled(t, orders+leads)

	states := map[string]int{}
	effects := effectsOf(crm)
	for n := range orders {
		row, ok := rows[orderID(n+1)]
		if !ok {
			t.Errorf("order %d is lost", n+1)
		}
		states[string(row.State)+" "+string(row.Reason)]++
		effects.checkOrder(t, n+1, n%300, row)
	}
	for n := range leads {
		id := fmt.Sprintf("lead-%d", n+1)
		row, ok := rows[id]
		if !ok {
			t.Errorf("%s is lost", id)
		}
		states[string(row.State)+" "+string(row.Reason)]++
		notes := effects.notes["Lead "+id]
		if notes > 1 || row.State == events.Done && notes != 1 {
			t.Errorf("%s is %s with %d notes", id, row.State, notes)
		}
		if (row.State == events.Failed || row.State == events.InDoubt) && row.Reason == "" {
			t.Errorf("%s is %s for no reason", id, row.State)
		}
	}
	calls := crm.Calls("")
	t.Logf("states %v; %d calls, by status %v", states, calls.Total, calls.ByStatus)
	if v := calls.Violations; v.Second+v.Minute+v.Day > 0 {
		t.Errorf("calls above a limit: %+v", v)
	}
	if states["done "] < (orders+leads)*9/10 {
		t.Errorf("too few are done: %v", states)
	}
}

// inProcess starts a bridge in this process, with a port for one publisher on NATS.
func inProcess(t *testing.T, keapURL string) (*app.App, func() (*nats.Conn, error)) {
	t.Helper()
	cfg, data := folder(t, shopRules)
	env := config.DefaultEnv()
	env.Config, env.DataDir, env.KeapBaseURL, env.KeapTimeout = cfg, data, keapURL, time.Second
	env.HTTPAddr, env.ConsoleAddr, env.NatsListen = "127.0.0.1:0", "127.0.0.1:0", freePort(t)
	user, publicKey := natsUser(t)
	env.NatsUsers = filepath.Join(filepath.Dir(cfg), "users")
	if err := os.WriteFile(env.NatsUsers, []byte(publicKey+" ingest.default.crm\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := app.Start(t.Context(), app.Settings{Env: env, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a, func() (*nats.Conn, error) {
		return nats.Connect("nats://"+env.NatsListen, user)
	}
}

func natsUser(t *testing.T) (opt nats.Option, publicKey string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	publicKey, err = pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return nats.Nkey(publicKey, pair.Sign), publicKey
}

// sendOrders posts orders from several connections; an order is sent again until it is accepted, as a careful sender would.
func sendOrders(t *testing.T, c *http.Client, base string, n int) {
	var all sync.WaitGroup
	const senders = 8
	for s := range senders {
		all.Go(func() {
			for i := s; i < n; i += senders {
				for {
					status, err := postOrder(t.Context(), c, base, order(i+1, i%300))
					if err == nil && status == http.StatusAccepted {
						break
					}
					if t.Context().Err() != nil || status != 0 && status != http.StatusServiceUnavailable {
						t.Errorf("order %d: %d %v", i+1, status, err)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

func sendLeads(t *testing.T, connect func() (*nats.Conn, error), n int) {
	nc, err := connect()
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range n {
		event := fmt.Sprintf(`{"specversion":"1.0","id":"lead-%d","source":"crm.example.com","type":"lead.submitted","data":{"contact":{"email":"lead%d@example.com","first_name":"Lead"}}}`, i+1, i)
		// The reply is JetStream's acknowledgement: the event is on disk.
		ack, err := nc.RequestWithContext(ctx, "ingest.default.crm", []byte(event))
		if err != nil || bytes.Contains(ack.Data, []byte(`"error"`)) {
			t.Errorf("lead %d: %s %v", i+1, ack.Data, err)
			return
		}
	}
}
