package queue

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// roles are the users of configs/nats/roles.conf on a server, by the word that stands for their key in it.
type roles struct {
	url   string
	seeds map[string]string // files
}

func startRoles(t *testing.T) roles {
	t.Helper()
	text, err := os.ReadFile("../../configs/nats/roles.conf")
	if err != nil {
		t.Fatal(err)
	}
	r := roles{seeds: map[string]string{}}
	dir := t.TempDir()
	placeholder := regexp.MustCompile(`U([A-Z]+)REPLACEMEX+`)
	text = placeholder.ReplaceAllFunc(text, func(found []byte) []byte {
		name := string(placeholder.FindSubmatch(found)[1])
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, _ := pair.Seed()
		public, _ := pair.PublicKey()
		r.seeds[name] = filepath.Join(dir, name)
		if err := os.WriteFile(r.seeds[name], seed, 0o600); err != nil {
			t.Fatal(err)
		}
		return []byte(public)
	})
	file := filepath.Join(dir, "roles.conf")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.NoSigs, options.JetStream, options.StoreDir, options.SyncAlways = "127.0.0.1", server.RANDOM_PORT, true, true, t.TempDir(), true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	r.url = s.ClientURL()
	return r
}

// connect logs a role in; refused tells of what the server does not let it do.
func (r *roles) connect(t *testing.T, role string) (nc *nats.Conn, refused chan error) {
	t.Helper()
	login, err := nats.NkeyOptionFromSeed(r.seeds[role])
	if err != nil {
		t.Fatal(err)
	}
	refused = make(chan error, 100)
	nc, err = nats.Connect(r.url, login, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, refused
}

// TestRoles: with the permissions in configs/nats a bridge does all of its work, and others no more than is theirs: they
// publish to their own subject, and hear nothing of what the bridge reads.
func TestRoles(t *testing.T) {
	t.Parallel()
	r := startRoles(t)
	opt := externalOptions(t, r.url)
	opt.Creds = r.seeds["BRIDGE"]
	shop, refused := r.connect(t, "SHOP")
	listener, deaf := r.connect(t, "LISTEN")
	overheard := make(chan *nats.Msg, 1000)
	if _, err := shop.ChanSubscribe("_INBOX.>", overheard); err != nil {
		t.Fatal(err)
	}

	b := started(t, opt, done)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "done", func() bool { return b.index.last(e.Key()) == "done" })
	if _, err := b.Erase(context.Background(), "b@example.com", nil); err != nil {
		t.Error(err)
	}
	own := event("2", "a@example.com")
	body, err := json.Marshal(own)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if ack, err := shop.RequestWithContext(ctx, "ingest.default.shop", body); err != nil {
		t.Errorf("its own subject: %v", err)
	} else if len(overheard) == 0 || string((<-overheard).Data) != string(ack.Data) {
		t.Error("the test listens in the wrong place")
	}
	eventually(t, "what was published is done", func() bool { return b.index.last(own.Key()) == "done" })
	if n := len(overheard); n > 0 {
		t.Errorf("a publisher overhears the bridge: %s", (<-overheard).Subject)
	}

	expect := func(what string, of chan error) {
		t.Helper()
		select {
		case err := <-of:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", what, err)
			}
		case <-time.After(patience):
			t.Errorf("%s is not refused", what)
		}
	}
	for _, subject := range []string{
		"ingest.default.other", "ingest.other.shop", "ev.default.x", "work.g.urgent", "intake.new", "$KV.ledger.salt", "$JS.API.STREAM.INFO.EVENTS",
		"$JS.API.STREAM.PURGE.EVENTS", "$JS.API.DIRECT.GET.EVENTS", "bridge.wake", "_BRIDGE.x",
	} {
		if err := shop.Publish(subject, body); err != nil {
			t.Fatal(err)
		}
		expect("a shop's publish to "+subject, refused)
	}
	for _, subject := range []string{">", "_BRIDGE.>", "ev.>", "ingest.>", "$KV.>", "bridge.>"} {
		if _, err := shop.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		expect("a shop's ear at "+subject, refused)
	}
	if err := listener.Publish("ingest.default.shop", body); err != nil {
		t.Fatal(err)
	}
	expect("a listener's publish", deaf)
	heard, err := listener.SubscribeSync("events.default.keap.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(listener.Flush(), b.nc.Publish("events.default.keap.contact.edit", []byte("told"))); err != nil {
		t.Fatal(err)
	}
	if m, err := heard.NextMsg(patience); err != nil || string(m.Data) != "told" {
		t.Errorf("a listener does not hear: %v", err)
	}
}
