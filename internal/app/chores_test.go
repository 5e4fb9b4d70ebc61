package app

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

const choresRules = `
accounts:
  default:
    app: ab123
    keap: {service_account_key: KeapAK-chores-000000000000000000000000000000}
    sources:
      crm: {kind: nats}
      keap: {kind: keap, path_secret: a-long-path-of-keap-hooks}
      shop: {kind: woocommerce, secret: shop-secret, silent_after: 1h}
    rules:
      - name: lead
        on: lead.submitted
        do: [{contact: {opt_in: "asked"}}, {tag: ["{{event.contact.fields['nothing']}}"]}]
      - name: order
        on: order.paid
        do: [{contact: {opt_in: "bought"}}]
notify:
  - {url: "RECEIVER/ops", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw, on: [keap.*, bridge.*]}
`

// heardMessage is what a receiver of the tests keeps.
type heardMessage struct {
	Type, ID, Account string
	Data              struct {
		Reason string
		Count  int
		Events []struct{ ID string }
	}
}

// receiver takes messages of notify, checks their signatures as the source of kind standard does, and refuses the first one.
type receiver struct {
	t *testing.T
	*httptest.Server
	src     sources.Source
	mu      sync.Mutex
	refused bool
	got     []heardMessage
	ids     map[string]bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	src, mistakes := sources.New("peer", "default", sources.Config{
		Kind: "standard", Secret: sources.Secrets{secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")},
	}, sources.Deps{Now: time.Now, Remember: time.Hour})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	r := &receiver{t: t, src: src, ids: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.take))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if _, _, err := r.src.Open(req.Context(), sources.Request{Method: req.Method, Header: req.Header, Body: body, Received: time.Now()}); err != nil {
		r.t.Errorf("not authentic: %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.refused {
		r.refused = true
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var m heardMessage
	if err := json.Unmarshal(body, &m); err != nil || req.Header.Get("Webhook-Id") != m.ID {
		r.t.Errorf("%s: %v", body, err)
	}
	if bytes.Contains(body, []byte("@example.com")) {
		r.t.Errorf("a message names a person: %s", body)
	}
	r.got = append(r.got, m)
}

// await waits for a message.
func (r *receiver) await(what string, is func(*heardMessage) bool) {
	r.t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(25 * time.Second)
	for {
		r.mu.Lock()
		for i := range r.got {
			if is(&r.got[i]) {
				r.mu.Unlock()
				return
			}
		}
		heard := len(r.got)
		r.mu.Unlock()
		select {
		case <-look.C:
		case <-deadline:
			r.t.Fatalf("no message: %s (%d others)", what, heard)
		}
	}
}

// startChores runs a bridge over a folder.
func startChores(t *testing.T, dir, natsURL string) *App {
	t.Helper()
	e := config.DefaultEnv()
	e.Config, e.DataDir, e.NatsURL = filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "data"), natsURL
	e.HTTPAddr, e.ConsoleAddr = "127.0.0.1:0", "127.0.0.1:0"
	a, err := Start(t.Context(), Settings{Env: e, Sandbox: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func stopChores(t *testing.T, a *App) {
	t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// choresFolder holds a configuration that tells the receiver.
func choresFolder(t *testing.T, r *receiver) string {
	t.Helper()
	dir := t.TempDir()
	body := strings.ReplaceAll(choresRules, "RECEIVER", r.URL)
	if err := os.WriteFile(filepath.Join(dir, "bridge.yaml"), []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestOthersAreTold runs a bridge on an external server, where other systems listen too: what fails, is paused or comes
// from Keap is told, after a restart as well, although the receiver refuses the first message.
func TestOthersAreTold(t *testing.T) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	nc, err := nats.Connect(ns.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	outside, err := nc.SubscribeSync("events.default.keap.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	dir := choresFolder(t, r)
	a := startChores(t, dir, ns.ClientURL())
	awaitNote(t, a, "notify/"+r.URL+"/ops")
	publishLead(t, a, "bad-1", "ann@example.com")
	r.await("the event failed", func(m *heardMessage) bool {
		return m.Type == "bridge.failed" && m.Data.Reason == string(events.RuleError) && m.Data.Count == 1 && m.Data.Events[0].ID == "bad-1"
	})
	if err := a.desk.Pause(t.Context(), "tests", "default"); err != nil {
		t.Fatal(err)
	}
	r.await("the account is paused", func(m *heardMessage) bool { return m.Type == "bridge.paused" && m.Data.Reason == "paused" })
	stopChores(t, a)

	a = startChores(t, dir, ns.ClientURL())
	awaitNote(t, a, outsideNote)
	_, before, err := a.queue.Note(t.Context(), outsideNote)
	if err != nil {
		t.Fatal(err)
	}
	hook := `{"event_key":"contact.edit","object_type":"contact","object_keys":[{"id":7,"timestamp":"` + time.Now().UTC().Format(time.RFC3339) + `"}]}`
	res, err := http.Post("http://"+a.HTTPAddr+"/hooks/default/keap/a-long-path-of-keap-hooks", "application/json", strings.NewReader(hook))
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("the hook was answered with %d", res.StatusCode)
	}
	r.await("Keap's hook", func(m *heardMessage) bool { return m.Type == "keap.contact.edit" })
	msg, err := outside.NextMsg(10 * time.Second)
	if err != nil || msg.Subject != "events.default.keap.contact.edit" || !json.Valid(msg.Data) {
		t.Errorf("on NATS: %+v %v", msg, err)
	}
	for at := before; at == before; { // it counts as told, or it would be told for ever
		if _, at, err = a.queue.Note(t.Context(), outsideNote); err != nil || !pause(t.Context(), 20*time.Millisecond) {
			t.Fatal("it does not count as told: ", err)
		}
	}
	stopChores(t, a)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		if r.ids[m.ID] {
			t.Errorf("told twice: %+v", m)
		}
		r.ids[m.ID] = true
	}
}

const outsideNote = "notify/NATS events.>"

// awaitNote waits until something is written down.
func awaitNote(t *testing.T, a *App, name string) {
	t.Helper()
	for {
		value, _, err := a.queue.Note(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if value != nil {
			return
		}
		if !pause(t.Context(), 20*time.Millisecond) {
			t.Fatal("it was never written down: " + name)
		}
	}
}

// fakeSweeper gives one event for each sweep.
type fakeSweeper struct {
	since []time.Time
	event events.Event
	fail  error
}

func (*fakeSweeper) Every() time.Duration { return time.Hour }

func (s *fakeSweeper) Sweep(ctx context.Context, since time.Time, take func(context.Context, []events.Event) error) error {
	s.since = append(s.since, since)
	return errors.Join(take(ctx, []events.Event{s.event}), s.fail)
}

func TestSweepsGoOnWhereTheyWere(t *testing.T) {
	r := newReceiver(t)
	a := startChores(t, choresFolder(t, r), "")
	defer stopChores(t, a)
	s := &fakeSweeper{event: events.Event{ID: "shop:order.paid:1", Account: "default", Source: "shop", Type: "order.paid", Time: time.Now(),
		Data: events.Data{Contact: &events.Contact{Email: "missed@example.com"}}}}
	begun := time.Now()
	for i, fail := range []error{nil, errors.New("the shop is down"), nil} {
		s.fail = fail
		fresh, err := a.sweepSince(t.Context(), "default", "shop", s)
		if (err != nil) != (fail != nil) || i == 0 && fresh != 1 || i > 0 && fresh != 0 {
			t.Errorf("sweep %d: %d new, %v", i, fresh, err)
		}
	}
	for i, want := range []time.Time{begun.Add(-time.Hour), begun.Add(-sweepOverlap), begun.Add(-sweepOverlap)} {
		if d := s.since[i].Sub(want); d < 0 || d > 10*time.Second {
			t.Errorf("sweep %d asked since %v, want %v", i, s.since[i], want)
		}
	}
	until(t, a, "shop:order.paid:1", events.Done)
}

func TestSilenceIsToldOnce(t *testing.T) {
	r := newReceiver(t)
	a := startChores(t, choresFolder(t, r), "")
	defer stopChores(t, a)
	awaitNote(t, a, "notify/"+r.URL+"/ops")
	old := events.Event{ID: "shop:order.paid:1", Account: "default", Source: "shop", Type: "order.paid", Time: time.Now(), Received: time.Now().Add(-2 * time.Hour),
		Data: events.Data{Contact: &events.Contact{Email: "bob@example.com"}}}
	if _, err := a.queue.Accept(t.Context(), []events.Event{old}); err != nil {
		t.Fatal(err)
	}
	until(t, a, old.ID, events.Done)
	for range 2 {
		if err := a.lookForSilence(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.await("the source is silent", func(m *heardMessage) bool { return m.Type == "bridge.source_silent" })
	list, err := a.live.Sources(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Silent != (s.Name == "shop") {
			t.Errorf("%s: silent %v", s.Name, s.Silent)
		}
		if len(s.Setup) == 0 || !strings.Contains(strings.Join(s.Setup, "\n"), cmp.Or(s.Address, s.Subject)) {
			t.Errorf("%s: the steps to set it up do not name its address: %q", s.Name, s.Setup)
		}
	}
	lines, err := a.history.Audit(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(lines); n != 1 {
		t.Errorf("%d lines in the audit, want 1: %+v", n, lines)
	}
}

// TestStopsAreSeen: a credential that Keap refuses is a stop without an end; what only opens and closes is none.
func TestStopsAreSeen(t *testing.T) {
	a, _ := started(t, nil)
	publishLead(t, a, "fine-1", "ann@example.com")
	until(t, a, "fine-1", events.Done)
	if found := a.stops(time.Now()); len(found) != 0 {
		t.Errorf("an account at work is stopped: %+v", found)
	}
	err := a.Sandbox.SetSettings(sandbox.Settings{Keys: map[string]sandbox.Key{"KeapAK-demo-0000000000000000000000000000": {State: "revoked"}}})
	if err != nil {
		t.Fatal(err)
	}
	publishLead(t, a, "refused-1", "bob@example.com")
	for {
		if o, ok := a.stops(time.Now())["default"]; ok {
			if o.Reason != events.Unauthorized || o.Until != nil {
				t.Errorf("%+v", o)
			}
			return
		}
		if !pause(t.Context(), 20*time.Millisecond) {
			t.Fatal("the refused credential is no stop")
		}
	}
}
