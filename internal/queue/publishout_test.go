package queue

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// TestNamesFromOutside: whatever Keap calls its events, the subject is one, and no wildcard.
func TestNamesFromOutside(t *testing.T) {
	for name, want := range map[string]string{
		"keap.contactGroup.applied": "keap.contactGroup.applied", "keap.>": "keap._", "keap.*.x": "keap._.x", "keap..edit": "keap._.edit", "a b\r\n": "a_b__",
		"": "_", strings.Repeat("x", 100): strings.Repeat("x", maxToken), "é": "_", "1.2.3.4.5.6.7.8.9": "1.2.3.4.5.6.7.8",
	} {
		if got := clean(name); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}

// TestOthersListen: another system hears what is published for it, and may do nothing else.
func TestOthersListen(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	opt := testOptions(t)
	opt.Listen, opt.Users = "127.0.0.1:0", []User{{NKey: public, Listen: []string{"events.default.>"}}}
	q := openQueue(t, opt)
	refused := make(chan error, 10)
	nc, err := nats.Connect(q.server.server.ClientURL(), nats.Nkey(public, pair.Sign), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("events.default.keap.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := q.PublishOut(context.Background(), "default", "keap.contactGroup.applied", "id-1", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil || m.Subject != "events.default.keap.contactGroup.applied" || m.Header.Get("Nats-Msg-Id") != "id-1" {
		t.Errorf("%+v %v", m, err)
	}
	for what, try := range map[string]func() error{
		"publish":       func() error { return nc.Publish("ingest.default.crm", []byte("{}")) },
		"listen":        func() error { _, err := nc.SubscribeSync("out.>"); return err },
		"other account": func() error { _, err := nc.SubscribeSync("events.other.>"); return err },
	} {
		if err := try(); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-refused:
		case <-time.After(5 * time.Second):
			t.Errorf("%s was allowed", what)
		}
	}
}
