package queue

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"bridge/internal/secret"
)

// User is another system that may connect to the embedded server's own port.
type User struct {
	NKey    string   // public user nkey ("U…")
	Publish []string // subjects that it may publish to; each must lie under ingest.
	Listen  []string // subjects that it may listen to; each must lie under events.
}

const (
	// marker stands in the store of an embedded server. A server in cluster mode takes streams that its cluster
	// does not know for orphans and deletes them within a minute; the way to a cluster is a migration.
	marker     = "EMBEDDED-STORE-DO-NOT-OPEN-IN-A-CLUSTER"
	markerText = "This directory belongs to an embedded (standalone) NATS server.\n" +
		"A server in cluster mode that opens it DELETES every stream in it. Use: bridge migrate --to nats://…\n"

	// keyCheck tells whether a key is the one that the store is encrypted with, without telling the key.
	keyCheck = "store-key-check"

	// maxPayload bounds one message of the embedded server: a body of 1 MiB with its canonical form and room to spare.
	maxPayload = 8 << 20

	// noStoreLimit: left alone, the server stops at three quarters of what is free when it starts, for new events and
	// for the work on accepted ones alike, and counts what it compresses in full. How much is left is for room to watch.
	noStoreLimit = 1 << 50

	// syncInterval is how much may be lost in a power cut with FSYNC=interval.
	syncInterval = time.Second

	serverReady = 30 * time.Second
)

// embedded is the NATS server in this process.
type embedded struct {
	server *server.Server
	lock   *os.File
	user   nats.Option // how our own connection authenticates
}

// startServer opens the store under its lock and starts a server on it. No port is opened unless
// o.Listen asks for one. broken is called when a stream cannot be written any more, from any goroutine.
func startServer(o *Options, broken func()) (*embedded, error) {
	dir := filepath.Join(o.DataDir, server.JetStreamStoreDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault("the data directory cannot be made", "check --data-dir and its permissions", "%w", err)
	}
	if _, err := os.Stat(filepath.Join(o.DataDir, movedMarker)); err == nil {
		return nil, fault("the events of this data directory were migrated to another server", "set BRIDGE_NATS_URL to it", "%s is there", movedMarker)
	}
	lock, err := lockFile(filepath.Join(o.DataDir, "lock"))
	if err != nil {
		return nil, err
	}
	s, err := openServer(o, broken)
	if err != nil {
		return nil, errors.Join(err, unlockFile(lock))
	}
	s.lock = lock
	return s, nil
}

func openServer(o *Options, broken func()) (*embedded, error) {
	if err := mark(filepath.Join(o.DataDir, server.JetStreamStoreDir), o.StoreKey); err != nil {
		return nil, err
	}
	opts := &server.Options{
		ServerName: "bridge", DontListen: true, NoSigs: true, // else it exits the process on SIGTERM
		JetStream: true, StoreDir: o.DataDir, SyncAlways: o.Fsync != FsyncInterval, SyncInterval: syncInterval,
		MaxPayload: maxPayload, JetStreamMaxStore: noStoreLimit, DisableJetStreamBanner: true, JetStreamKey: o.StoreKey.Reveal(),
	}
	e := &embedded{user: func(*nats.Options) error { return nil }}
	if err := e.listen(opts, o); err != nil {
		return nil, err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fault("the embedded NATS server refuses its settings", "", "%w", err)
	}
	e.server = s
	s.SetLoggerV2(serverLog{log: o.Logger, broken: broken}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(serverReady) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fault("the embedded NATS server does not start", "the log above says why; a wrong STORE_KEY and a full disk are the usual causes", "not ready within %s", serverReady)
	}
	return e, nil
}

// mark puts the markers in place. It refuses a directory that a cluster has used, and another key than the store was
// made with: the server would take streams that it cannot read for none, and new ones would take their place.
func mark(dir string, key secret.Text) error {
	if _, err := os.Stat(filepath.Join(dir, "$SYS", "_js_", "_meta_")); err == nil {
		return fault("the data directory belongs to a node of a NATS cluster", "point --data-dir elsewhere, or set BRIDGE_NATS_URL to the cluster",
			"%s holds a meta group", dir)
	}
	check := "none"
	if !key.Empty() {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte("bridge store key"))
		check = hex.EncodeToString(mac.Sum(nil))
	}
	stored, err := os.ReadFile(filepath.Join(dir, keyCheck))
	switch {
	case err == nil && len(stored) == 0: // it was being made when the power went
	case err == nil && !hmac.Equal(stored, []byte(check)):
		return fault("the store was made with another STORE_KEY, or with none", "give it the key it was made with; to change it, back up and restore into a new place",
			"%s differs", keyCheck)
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fault("the data directory cannot be read", "check its permissions", "%w", err)
	}
	for name, text := range map[string]string{marker: markerText, keyCheck: check} {
		if err := writeSynced(filepath.Join(dir, name), text); err != nil {
			return fault("the data directory cannot be written", "check its permissions and the room on the disk", "%w", err)
		}
	}
	return nil
}

// listen opens the server's own port for publishers, with their permissions.
func (e *embedded) listen(opts *server.Options, o *Options) error {
	if o.Listen == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fault("NATS_LISTEN is not host:port", "for example 127.0.0.1:4222", "%w", err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return fault("NATS_LISTEN has no numeric port", "for example 127.0.0.1:4222", "%w", err)
	}
	if number == 0 {
		number = server.RANDOM_PORT
	}
	if len(o.Users) == 0 {
		return fault("NATS_LISTEN needs NATS_USERS", "list the publishers' nkeys and what each may publish", "no users")
	}
	opts.DontListen, opts.Host, opts.Port = false, host, number
	for i := range o.Users {
		permissions, err := o.Users[i].permissions()
		if err != nil {
			return err
		}
		opts.Nkeys = append(opts.Nkeys, &server.NkeyUser{Nkey: o.Users[i].NKey, Permissions: permissions})
	}
	own, err := nkeys.CreateUser()
	if err != nil {
		return err
	}
	public, err := own.PublicKey()
	if err != nil {
		return err
	}
	opts.Nkeys = append(opts.Nkeys, &server.NkeyUser{Nkey: public})
	e.user = nats.Nkey(public, own.Sign)
	return nil
}

// permissions are what the server lets a user do.
func (u *User) permissions() (*server.Permissions, error) {
	if len(u.Publish)+len(u.Listen) == 0 {
		return nil, fault("a NATS user may do nothing", "give it ingest.<account>.<source> to publish to, or events.<account>.> to listen to", "user %s", u.NKey)
	}
	for _, subject := range u.Publish {
		if part(subject, 0) != "ingest" {
			return nil, fault("a NATS user may publish under ingest. only", "the router checks what comes in there, nothing checks the rest", "subject %q", subject)
		}
	}
	for _, subject := range u.Listen {
		if part(subject, 0) != "events" {
			return nil, fault("a NATS user may listen under events. only", "the rest is the bridge's own", "subject %q", subject)
		}
	}
	p := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: u.Publish},
		Subscribe: &server.SubjectPermission{Allow: append([]string{"_INBOX.>"}, u.Listen...)},
	}
	if len(u.Publish) == 0 {
		p.Publish.Deny = []string{">"} // an empty list of what is allowed would allow everything
	}
	return p, nil
}

// stop ends the server and waits until its files are closed. It may be called once.
func (e *embedded) stop() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	return unlockFile(e.lock)
}

// serverLog hands what the server says to slog. Notices are about its own life: debug for us.
type serverLog struct {
	log    *slog.Logger
	broken func()
}

// writeErrors are in what the server says when a stream could not be written. From then on that stream takes nothing and
// answers nobody, until it is opened again; there is no other way to learn of it.
var writeErrors = []string{"failed to store a msg on stream", "critical write error", "disabling JetStream"}

func (l serverLog) say(level slog.Level, format string, v []any) {
	text := fmt.Sprintf(format, v...)
	l.log.Log(context.Background(), level, text, "from", "nats")
	for _, e := range writeErrors {
		if strings.Contains(text, e) {
			l.broken()
			return
		}
	}
}

func (l serverLog) Noticef(format string, v ...any) {
	l.log.Debug(fmt.Sprintf(format, v...), "from", "nats")
}
func (l serverLog) Warnf(format string, v ...any)  { l.say(slog.LevelWarn, format, v) }
func (l serverLog) Fatalf(format string, v ...any) { l.say(slog.LevelError, format, v) }
func (l serverLog) Errorf(format string, v ...any) { l.say(slog.LevelError, format, v) }
func (l serverLog) Debugf(string, ...any)          {}
func (l serverLog) Tracef(string, ...any)          {}
