package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bridge/configs"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/ops"
	"bridge/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started runs a whole bridge on the demo's configuration with the sandbox in place of Keap.
func started(t *testing.T, change func(*Settings)) (*App, string) {
	t.Helper()
	dir := t.TempDir()
	if err := writeDemo(dir); err != nil {
		t.Fatal(err)
	}
	env := config.DefaultEnv()
	env.Config, env.DataDir = filepath.Join(dir, "demo.yaml"), filepath.Join(dir, "data")
	env.HTTPAddr, env.ConsoleAddr = "127.0.0.1:0", "127.0.0.1:0"
	set := Settings{Env: env, Sandbox: true, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&set)
	}
	a, err := Start(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a, dir
}

func TestDemoEndsByItself(t *testing.T) {
	var out bytes.Buffer
	d := &Demo{Env: config.DefaultEnv(), Once: true, Out: &out, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if err := d.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	http.DefaultClient.CloseIdleConnections()
	for _, want := range []string{"Ada Example <ada@example.com>", "Bought HOODIE", "Refunded", "LastTotal=154.00 EUR", `"status":"duplicate"`, "calls above a limit: 0 a second, 0 a minute, 0 a day"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out.String())
		}
	}
}

// until waits for the one event of a bridge to be in one of the states.
func until(t *testing.T, a *App, id string, states ...events.State) events.Row {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		page, err := a.desk.List(ctx, events.Filter{Q: id}, 10, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Rows {
			for _, s := range states {
				if r.State == s {
					return r
				}
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s does not come to %v: %+v", id, states, page.Rows)
		case <-look.C:
		}
	}
}

func publishLead(t *testing.T, a *App, id, email string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": id, "source": "tests.example.com", "type": "lead.submitted",
		"data": map[string]any{"contact": map[string]any{"email": email}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.desk.Publish(t.Context(), "default", "crm", []json.RawMessage{body})
	if err != nil || out[0].Status != "accepted" {
		t.Fatalf("%+v %v", out, err)
	}
}

func TestPausedAccountCallsNothingAndGoesOn(t *testing.T) {
	a, _ := started(t, nil)
	if err := a.desk.Pause(t.Context(), "tests", "default"); err != nil {
		t.Fatal(err)
	}
	publishLead(t, a, "paused-1", "ann@example.com")
	if r := until(t, a, "paused-1", events.Parked); r.Reason != events.Paused {
		t.Errorf("while paused: %+v", r)
	}
	status, err := a.desk.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p := status.Accounts["default"].Paused; p == nil || p.Reason != events.Paused {
		t.Errorf("status says %+v", p)
	}
	if n := a.Sandbox.Calls("").Total; n != 0 {
		t.Errorf("%d calls while paused", n)
	}
	if err := a.desk.Resume(t.Context(), "tests", "default"); err != nil {
		t.Fatal(err)
	}
	if r := until(t, a, "paused-1", events.Done, events.Failed); r.State != events.Done || r.Attempts != 0 {
		t.Errorf("after the pause: %+v", r)
	}
}

func TestFailedEventIsReplayedAfterItsRuleIsPutRight(t *testing.T) {
	a, dir := started(t, nil)
	path := filepath.Join(dir, "demo.yaml")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(good), `tag: [Lead, "Form {{source.name}}"]`, `tag: [Lead, "{{event.order.number}}"]`, 1)
	replaceConfig(t, a, path, bad)
	publishLead(t, a, "replay-1", "ann@example.com")
	if r := until(t, a, "replay-1", events.Failed, events.Done); r.Reason != events.RuleError {
		t.Fatalf("%+v", r)
	}
	replaceConfig(t, a, path, string(good))
	preview, err := a.desk.Replay(t.Context(), "tests", ops.Selection{IDs: []string{"replay-1"}}, true)
	if err != nil || preview.Events != 1 || preview.Calls == 0 {
		t.Fatalf("preview %+v %v", preview, err)
	}
	if _, err := a.desk.Replay(t.Context(), "tests", ops.Selection{IDs: []string{"replay-1"}}, false); err != nil {
		t.Fatal(err)
	}
	if r := until(t, a, "replay-1", events.Done); r.Calls == 0 {
		t.Errorf("%+v", r)
	}
}

func replaceConfig(t *testing.T, a *App, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a.reloadNow()
}

// TestMistakeLeavesTheOldVersionInForce: a running bridge is never taken down by a typing mistake.
func TestMistakeLeavesTheOldVersionInForce(t *testing.T) {
	a, dir := started(t, nil)
	replaceConfig(t, a, filepath.Join(dir, "demo.yaml"), "accounts: {default: {aap: ab123}}")
	if a.worlds.find("default") == nil {
		t.Fatal("the account is gone")
	}
	status, err := a.desk.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Problems) == 0 || !strings.Contains(status.Problems[0].Where, "demo.yaml:1:") {
		t.Errorf("status lists %+v", status.Problems)
	}
	publishLead(t, a, "after-1", "ann@example.com")
	until(t, a, "after-1", events.Done)
}

func TestTry(t *testing.T) {
	_, dir := started(t, nil)
	cfg, err := config.Load(filepath.Join(dir, "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := configs.Sample("woo-paid.json", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out, err := Try(cfg, Trial{Account: "default", Source: "shop", Header: http.Header{"X-Wc-Webhook-Topic": {"order.updated"}}, Body: []byte(body)}, time.Now())
	if err != nil || len(out.Events) != 1 || out.Cost != len(out.Calls) || out.Cost == 0 || out.Rules[0] != "purchase" {
		t.Fatalf("%+v %v", out, err)
	}
	out, err = Try(cfg, Trial{Account: "default", Source: "shop", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("webhook_id=7")}, time.Now())
	if err != nil || len(out.Events) != 0 || out.Events == nil || out.Reason != events.Ignored {
		t.Errorf("a ping: %+v %v", out, err)
	}
	for _, wrong := range []Trial{{Account: "nobody", Source: "shop"}, {Account: "default", Source: "nothing"}} {
		if _, err := Try(cfg, wrong, time.Now()); err == nil {
			t.Errorf("%+v was tried", wrong)
		}
	}
}

func TestTokensAreSealed(t *testing.T) {
	key := secret.New("a key of the tests")
	sealed, err := seal(key, "tokens/a", []byte("the token"))
	if err != nil || bytes.Contains(sealed, []byte("token")) {
		t.Fatalf("%q %v", sealed, err)
	}
	if plain, err := unseal(key, "tokens/a", sealed); err != nil || string(plain) != "the token" {
		t.Errorf("%q %v", plain, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, try := range map[string]func() ([]byte, error){
		"changed":      func() ([]byte, error) { return unseal(key, "tokens/a", changed) },
		"another name": func() ([]byte, error) { return unseal(key, "tokens/b", sealed) },
		"another key":  func() ([]byte, error) { return unseal(secret.New("another key"), "tokens/a", sealed) },
		"too short":    func() ([]byte, error) { return unseal(key, "tokens/a", []byte("x")) },
	} {
		if plain, err := try(); err == nil {
			t.Errorf("%s: %q", name, plain)
		}
	}
	if _, err := seal(secret.Text{}, "tokens/a", nil); !errors.Is(err, errNoSecretKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestTokenStoreKeepsAPair(t *testing.T) {
	a, _ := started(t, nil)
	s := &tokenStore{queue: a.queue, account: "default", key: secret.New("a key of the tests")}
	if _, _, err := s.Load(t.Context()); !errors.Is(err, keap.ErrNoTokens) {
		t.Errorf("before the login: %v", err)
	}
	want := keap.Tokens{Access: secret.New("access"), Refresh: secret.New("refresh"), Expires: time.Now().UTC().Truncate(time.Second), Tenant: "ab123"}
	rev, err := s.Save(t.Context(), want, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, loaded, err := s.Load(t.Context())
	if err != nil || loaded != rev || got.Access.Reveal() != "access" || got.Refresh.Reveal() != "refresh" || !got.Expires.Equal(want.Expires) || got.Tenant != "ab123" {
		t.Errorf("%+v %d %v", got, loaded, err)
	}
	if _, err := s.Save(t.Context(), want, 0); !errors.Is(err, keap.ErrStale) {
		t.Errorf("an old pair replaced a newer one: %v", err)
	}
}

// TestOutboundStaysWithItsHost: a redirect to another host, or away from TLS, is not followed; one within the host is.
func TestOutboundStaysWithItsHost(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewTLSServer(mux)
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := outbound(publicOrOwn)
	c.Transport.(*http.Transport).TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig
	defer c.CloseIdleConnections()
	for name, one := range map[string]struct {
		to string
		ok bool
	}{
		"same":      {srv.URL + "/there", true},
		"elsewhere": {"https://localhost:" + port + "/there", false},
		"plain":     {"http://" + srv.Listener.Addr().String() + "/there", false},
	} {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, one.to, http.StatusFound) })
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if (err == nil) != one.ok || err != nil && !strings.Contains(err.Error(), "the sender redirects") {
			t.Errorf("%s: %v", name, err)
		}
		if res != nil {
			res.Body.Close()
		}
	}
}

func TestOutboundReachesPublicAddressesOnly(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c := outbound(public)
	defer c.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := c.Do(req); !errors.Is(err, errPrivate) {
		if err == nil {
			res.Body.Close()
		}
		t.Errorf("loopback was reached: %v", err)
	}
	for addr, want := range map[string]bool{
		"203.0.113.7": true, "2001:db8::1": true, "127.0.0.1": false, "::1": false, "10.0.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "::ffff:127.0.0.1": false, "fe80::1": false, "fc00::1": false, "224.0.0.1": false,
		"0.1.2.3": false, "192.0.0.8": false, "198.19.0.1": false, "255.255.255.255": false, "::127.0.0.1": false, "64:ff9b::a00:1": false,
		"64:ff9b:1::a00:1": false, "2001::1": false, "2002:a00:1::": false, "fec0::1": false, "2606:4700::1111": true, "198.20.0.1": true,
	} {
		if got := public(netip.MustParseAddr(addr)); got != want {
			t.Errorf("public(%s) = %v", addr, got)
		}
	}
}
