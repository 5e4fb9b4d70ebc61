package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"bridge/internal/events"
	"bridge/internal/secret"
)

// TestStoreIsMarkedAndGuarded: a store says that a cluster must not open it, a cluster's store is refused, and so is
// a second process.
func TestStoreIsMarkedAndGuarded(t *testing.T) {
	opt := testOptions(t)
	q := openQueue(t, opt)
	body, err := os.ReadFile(filepath.Join(opt.DataDir, "jetstream", marker))
	if err != nil || !strings.Contains(string(body), "DELETES") {
		t.Errorf("marker: %q, %v", body, err)
	}
	var refused *Fault
	if _, err := Open(context.Background(), opt); !errors.Is(err, ErrLocked) || !errors.As(err, &refused) || refused.Hint == "" {
		t.Errorf("opened twice: %v", err)
	}
	closeQueue(t, q)
	q = openQueue(t, opt) // the lock ends with its holder
	closeQueue(t, q)

	other := testOptions(t)
	if err := os.MkdirAll(filepath.Join(other.DataDir, "jetstream", "$SYS", "_js_", "_meta_"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), other); !errors.As(err, &refused) || !strings.Contains(refused.Message, "cluster") {
		t.Errorf("a cluster's store was opened: %v", err)
	}
}

// TestUnreadableStream: a stream that cannot be read is never taken for a new one.
func TestUnreadableStream(t *testing.T) {
	opt := testOptions(t)
	q := openQueue(t, opt)
	accept(t, q, event("1", "a@example.com"))
	closeQueue(t, q)
	for _, name := range []string{"meta.inf", "meta.sum"} {
		if err := os.Remove(filepath.Join(opt.DataDir, "jetstream", "$G", "streams", streamIntake, name)); err != nil {
			t.Fatal(err)
		}
	}
	var refused *Fault
	if _, err := Open(context.Background(), opt); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "backup") {
		t.Errorf("opened: %v", err)
	}
}

// TestPublishers: the embedded server's own port takes events for the subjects that a user was given, and nothing else.
func TestPublishers(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	opt := testOptions(t)
	opt.Listen, opt.Users = "127.0.0.1:0", []User{{NKey: public, Publish: []string{"ingest.default.crm"}}}
	b := started(t, opt, done)
	refused := make(chan error, 10)
	nc, err := nats.Connect(b.server.server.ClientURL(), nats.Nkey(public, pair.Sign), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	overheard := make(chan *nats.Msg, 1000)
	if _, err := nc.ChanSubscribe("_INBOX.>", overheard); err != nil {
		t.Fatal(err)
	}
	e := event("1", "a@example.com")
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := nc.Request("ingest.default.crm", body, patience)
	if err != nil || !strings.Contains(string(answer.Data), streamIngest) {
		t.Fatalf("own subject: %v", err)
	}
	eventually(t, "done", func() bool { return b.index.last(events.KeyOf("default", "crm", "1")) == "done" })
	if n := len(overheard); n != 1 { // the acknowledgement
		t.Errorf("a publisher hears %d messages", n)
	}
	for _, subject := range []string{"ingest.default.shop", "intake.new", "ev.default.shop.none", "work.0.default.urgent", "$JS.API.STREAM.LIST", "$KV.ledger.salt", subjectWake, "bridge.ask.x"} {
		if err := nc.Publish(subject, body); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-refused:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(patience):
			t.Errorf("%s was not refused", subject)
		}
	}
	if _, err := nats.Connect(b.server.server.ClientURL()); err == nil {
		t.Error("connected without a key")
	}
}

func TestBadSettings(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"users may only ingest": func(o *Options) { o.Listen, o.Users = "127.0.0.1:0", []User{{NKey: "U", Publish: []string{"ev.>"}}} },
		"users are needed":      func(o *Options) { o.Listen = "127.0.0.1:0" },
		"port":                  func(o *Options) { o.Listen, o.Users = "127.0.0.1:x", []User{{NKey: "U"}} },
		"fsync":                 func(o *Options) { o.Fsync = "never" },
		"replicas":              func(o *Options) { o.Replicas = 7 },
		"no place":              func(o *Options) { o.DataDir = "" },
		"nobody there":          func(o *Options) { o.URL = "nats://127.0.0.1:1" },
	} {
		opt := testOptions(t)
		change(&opt)
		if q, err := Open(context.Background(), opt); err == nil {
			t.Errorf("%s: opened", name)
			closeQueue(t, q)
		}
	}
}

// TestStoreKey: with a key nothing on disk can be read, and another key opens nothing.
func TestStoreKey(t *testing.T) {
	opt := testOptions(t)
	opt.StoreKey = secret.New("a key of the operator's own")
	q := openQueue(t, opt)
	accept(t, q, event("1", "zoe@example.com"))
	closeQueue(t, q)
	if found := holds(t, opt.DataDir, "zoe@example.com"); len(found) > 0 {
		t.Errorf("readable: %v", found)
	}
	for _, key := range []secret.Text{secret.New("another key"), {}} {
		wrong := opt
		wrong.StoreKey = key
		var refused *Fault
		if _, err := Open(context.Background(), wrong); !errors.As(err, &refused) || !strings.Contains(refused.Message, "STORE_KEY") {
			t.Errorf("opened with another key: %v", err)
		}
	}
	q = openQueue(t, opt)
	if counts, err := q.Unrouted(context.Background()); err != nil || counts["default"] != 1 {
		t.Errorf("with the right key: %v, %v", counts, err)
	}
}

func TestFsyncIntervalSaysSo(t *testing.T) {
	opt := testOptions(t)
	opt.Fsync = FsyncInterval
	var said bytes.Buffer
	opt.Logger = slog.New(slog.NewTextHandler(&said, nil))
	q := openQueue(t, opt)
	if !strings.Contains(said.String(), "power cut") {
		t.Errorf("said: %s", said.String())
	}
	accept(t, q, event("1", "a@example.com"))
}

// TestServerGone: Accept refuses rather than lies, and Lost tells when the connection is gone for good.
func TestServerGone(t *testing.T) {
	q, err := Open(context.Background(), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, q, event("1", "a@example.com"))
	q.nc.Close()
	<-q.Lost()
	if _, err := q.Accept(context.Background(), []events.Event{event("2", "a@example.com")}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("accepted: %v", err)
	}
	if _, err := q.Accept(context.Background(), []events.Event{event("2", "a@example.com")}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a resend of what was refused: %v", err)
	}
	_ = q.Close(context.Background()) // the connection is gone: what it says does not matter
}

func TestRetentionCanChange(t *testing.T) {
	opt := testOptions(t)
	opt.Retention = time.Hour // far too short
	q := openQueue(t, opt)
	if info, err := q.info(context.Background(), streamEvents); err != nil || info.Config.MaxAge != minRetention {
		t.Errorf("too short: %v, %v", info.Config.MaxAge, err)
	}
	closeQueue(t, q)
	opt.Retention = 30 * 24 * time.Hour
	q = openQueue(t, opt)
	if info, err := q.info(context.Background(), streamEvents); err != nil || info.Config.MaxAge != opt.Retention {
		t.Errorf("changed: %v, %v", info.Config.MaxAge, err)
	}
}
