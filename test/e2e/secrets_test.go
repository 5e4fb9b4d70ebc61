package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/keap/sandbox"
	"bridge/internal/secret"
)

// planted are secrets, by where they are configured. Each can be found by its own text.
var planted = map[string]string{
	"service account key": "KeapAK-planted-key-0000000000000000000000000000",
	"next key":            "KeapAK-planted-next-111111111111111111111111111",
	"OAuth client":        "planted-oauth-client-secret-2222",
	"webhook secret":      "planted-webhook-secret-3333",
	"old webhook secret":  "planted-old-webhook-secret-4444",
	"static token":        "planted-static-token-5555-0123456789",
	"path secret":         "planted-path-secret-6666",
	"notify secret":       "whsec_cGxhbnRlZC1ub3RpZnktc2VjcmV0LTc3Nzc3Nzc=",
	"console token":       "planted-console-token-8888-0123456789",
	"metrics token":       "planted-metrics-token-9999-0123456789",
	"secret key":          "planted-secret-key-aaaa-0123456789-0123456789",
	"NATS password":       "planted-nats-password-bbbb",
}

const planting = `
accounts:
  default:
    app: ab123
    keap: {service_account_key: "KEY", next_key: "NEXT"}
    quota: {second: 200, minute: 12000, day: 1000000}
    user_id: 1
    tags: {create: any, per_day: 10000}
    sources:
      shop: {kind: woocommerce, secret: ["WEBHOOK", "OLDHOOK"]}
      till: {kind: cloudevents, token: "STATIC"}
      mail: {kind: samcart, path_secret: "PATH"}
    rules:
      - name: purchase
        on: order.paid
        do:
          - contact: {opt_in: "Bought something"}
          - tag: [Customer]
          - note: {title: "Order {{event.order.number}}", body: "paid"}
  other:
    app: cd456
    keap: {oauth2: {client_id: an-id, client_secret: "OAUTH", redirect_url: "http://127.0.0.1:8765/"}}
    sources:
      shop: {kind: woocommerce, secret: "WEBHOOK"}
    rules:
      - {name: any, on: "order.*", do: [{contact: {}}]}
notify:
  - {url: "RECEIVER", secret: "NOTIFY", on: [keap.*, bridge.failed, bridge.paused, bridge.in_doubt]}
`

// spoken collects what a bridge says anywhere.
type spoken struct {
	mu   sync.Mutex
	said map[string]*bytes.Buffer // by place
}

func (s *spoken) add(place string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said[place] == nil {
		s.said[place] = &bytes.Buffer{}
	}
	s.said[place].Write(text)
}

// in is a place as a writer.
func (s *spoken) in(place string) io.Writer { return speaker{s, place} }

type speaker struct {
	*spoken
	place string
}

func (s speaker) Write(p []byte) (int, error) { s.add(s.place, p); return len(p), nil }

// listener is somebody else's server, who keeps what it is told.
func (s *spoken) listener(t *testing.T, place string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.add(place, body)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// TestSecretsAreNeverTold plants a secret wherever one is configured, has a bridge do its work well and badly, and looks for
// them in all that it says and keeps: logs at the finest level, every page and answer of the console, metrics, traces,
// messages to others, every message of the queue, the index and a backup. E-mail addresses are looked for where none
// belongs.
func TestSecretsAreNeverTold(t *testing.T) {
	s := &spoken{said: map[string]*bytes.Buffer{}}
	crm, keap := keap(t, 1)
	text := planting
	for name, place := range map[string]string{
		"service account key": "KEY", "next key": "NEXT", "OAuth client": "OAUTH", "webhook secret": "WEBHOOK", "old webhook secret": "OLDHOOK",
		"static token": "STATIC", "path secret": "PATH", "notify secret": "NOTIFY",
	} {
		text = strings.ReplaceAll(text, `"`+place+`"`, `"`+planted[name]+`"`)
	}
	cfg, data := folder(t, strings.ReplaceAll(text, "RECEIVER", s.listener(t, "notify")))
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.listener(t, "traces"))
	outside := startNATS(t, &server.Options{ServerName: "outside", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
		Username: "bridge", Password: planted["NATS password"]})
	t.Cleanup(func() {
		outside.Shutdown()
		outside.WaitForShutdown()
	})
	env := config.DefaultEnv()
	env.Config, env.DataDir, env.KeapBaseURL, env.NatsURL = cfg, data, keap, withPassword(outside.ClientURL())
	env.HTTPAddr, env.ConsoleAddr = "127.0.0.1:0", "127.0.0.1:0"
	env.ConsoleToken, env.MetricsToken = secret.New(planted["console token"]), secret.New(planted["metrics token"])
	env.SecretKey = secret.New(planted["secret key"])
	log := slog.New(slog.NewTextHandler(s.in("log"), &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := app.Start(t.Context(), app.Settings{Env: env, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	visitor := &visitor{t: t, http: client(t), base: "http://" + a.ConsoleAddr, spoken: s}
	misbehave(t, crm, "http://"+a.HTTPAddr)
	visitor.settled(2)
	visitor.crawl()
	keepAll(t, s, env.NatsURL, data)
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := app.Start(t.Context(), app.Settings{Env: broken(t, env), Log: log}); err != nil {
		s.add("errors", []byte(err.Error()))
	}
	s.add("errors", []byte(unreachable(t, env, log).Error()))

	if !bytes.Contains(s.said["log"].Bytes(), []byte("servers=127.0.0.1:1")) {
		t.Error("nobody says which NATS server cannot be reached")
	}
	for _, place := range []string{"log", "console", "metrics", "traces", "queue", "index", "backup", "errors"} {
		if s.said[place] == nil || s.said[place].Len() == 0 {
			t.Errorf("nothing was said in %s: the test looks in the wrong place", place)
		}
	}
	for _, place := range slices.Sorted(maps.Keys(s.said)) {
		said := s.said[place].Bytes()
		for name, value := range planted {
			if at := bytes.Index(said, []byte(value)); at >= 0 {
				t.Errorf("%s tells the %s: …%s…", place, name, said[max(0, at-120):min(len(said), at+len(value)+40)])
			}
		}
		if personal := bytes.Contains(said, []byte("customer1@example.com")); personal && !slices.Contains([]string{"console", "queue", "backup", "log"}, place) {
			t.Errorf("%s names a customer", place)
		}
	}
	for line := range bytes.SplitSeq(s.said["log"].Bytes(), []byte("\n")) {
		if bytes.Contains(line, []byte("customer1@example.com")) && !bytes.Contains(line, []byte("level=DEBUG")) {
			t.Errorf("a line above debug names a customer: %s", line)
		}
	}
}

func withPassword(url string) string {
	return strings.Replace(url, "://", "://bridge:"+planted["NATS password"]+"@", 1)
}

// unreachable is why a process that waits for a NATS server which is not there ends.
func unreachable(t *testing.T, env config.Env, log *slog.Logger) error {
	t.Helper()
	env.DataDir, env.Spool, env.NatsURL = t.TempDir(), true, withPassword("nats://127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // it goes on without after three
	defer cancel()
	a, err := app.Start(ctx, app.Settings{Env: env, Log: log})
	if err == nil {
		t.Fatal("started without a NATS server", a.Stop())
	}
	return err
}

// misbehave sends orders well and badly, has Keap refuse the key for a while, and knocks at doors with wrong secrets.
func misbehave(t *testing.T, crm *sandbox.Server, base string) {
	t.Helper()
	c := client(t)
	body := order(1, 1)
	for _, p := range []struct{ path, header, value string }{
		{"/hooks/default/shop", "X-Wc-Webhook-Signature", signed(planted["webhook secret"], body)},
		{"/hooks/default/shop", "X-Wc-Webhook-Signature", signed("another secret", body)},
		{"/hooks/default/till", "Authorization", "Bearer " + planted["static token"]},
		{"/hooks/default/till", "Authorization", "Bearer " + planted["static token"] + "x"},
		{"/hooks/default/mail/" + planted["path secret"], "X-None", ""},
		{"/hooks/default/mail/" + planted["path secret"] + "x", "X-None", ""},
		{"/hooks/nobody/shop", "X-Wc-Webhook-Signature", signed(planted["webhook secret"], body)},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+p.path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "X-Wc-Webhook-Topic": {"order.updated"}, p.header: {p.value}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	key := planted["service account key"]
	if err := crm.SetSettings(sandbox.Settings{Keys: map[string]sandbox.Key{key: {App: "ab123", State: "revoked"}}}); err != nil {
		t.Fatal(err)
	}
	if err := crm.SetFaults([]sandbox.Fault{{Match: sandbox.Match{Operation: "notes.create"}, Fault: "html", Times: 1}}); err != nil {
		t.Fatal(err)
	}
	body = order(2, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/hooks/default/shop", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/json"}, "X-Wc-Webhook-Topic": {"order.updated"}, "X-Wc-Webhook-Signature": {signed(planted["old webhook secret"], body)}}
	res, err := c.Do(req)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%v %v", res, err)
	}
	_ = res.Body.Close()
}

// visitor goes through the console with the token.
type visitor struct {
	t    *testing.T
	http *http.Client
	base string
	*spoken
}

func (v *visitor) get(path string) (int, []byte) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.base+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+planted["console token"])
	if path == "/metrics" {
		req.Header.Set("Authorization", "Bearer "+planted["metrics token"])
	}
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	res, err := v.http.Do(req.WithContext(ctx))
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res.StatusCode, body
}

// settled waits until n events are done.
func (v *visitor) settled(n int) {
	done := regexp.MustCompile(`"state":\s*"done"`)
	eventually(v.t, "the events are done", func() bool {
		_, body := v.get("/api/events?account=default")
		return len(done.FindAll(body, -1)) >= n
	})
}

var link = regexp.MustCompile(`(?:href|action|src)="(/[^"#]*)"`)

// crawl reads every page that a link leads to, and the answers of the API.
func (v *visitor) crawl() {
	queue := []string{"/", "/api/status", "/api/events?limit=50", "/openapi.json", "/healthz", "/readyz", "/sources", "/accounts", "/rules", "/failed", "/events"}
	_, rows := v.get("/api/events?limit=50")
	for _, key := range regexp.MustCompile(`"key":\s*"([0-9a-f]{32})"`).FindAllSubmatch(rows, -1) {
		queue = append(queue, "/api/events/"+string(key[1]), "/events/"+string(key[1]))
	}
	seen := map[string]bool{}
	for len(queue) > 0 && len(seen) < 300 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] || strings.Contains(path, "stream") || strings.Contains(path, "logout") {
			continue
		}
		seen[path] = true
		status, body := v.get(path)
		if status >= 500 {
			v.t.Errorf("%s: %d", path, status)
		}
		v.add("console", body)
		for _, found := range link.FindAllSubmatch(body, -1) {
			queue = append(queue, strings.ReplaceAll(string(found[1]), "&amp;", "&"))
		}
	}
	if len(seen) < 20 {
		v.t.Errorf("only %d pages were found", len(seen))
	}
	if status, body := v.get("/metrics"); status == http.StatusOK {
		v.add("metrics", body)
	}
	_, body := v.get("/api/backup")
	v.add("backup", body)
}

// keepAll reads every message of every stream, and the files of the data directory.
func keepAll(t *testing.T, s *spoken, url, data string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name := range js.StreamNames(t.Context()).Name() {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		state := stream.CachedInfo().State
		for seq := state.FirstSeq; seq > 0 && seq <= state.LastSeq; seq++ {
			if m, err := stream.GetMsg(t.Context(), seq); err == nil {
				s.add("queue", []byte(m.Subject+"\n"))
				for key, values := range m.Header {
					s.add("queue", []byte(key+": "+strings.Join(values, ",")+"\n"))
				}
				s.add("queue", append(m.Data, '\n'))
			}
		}
	}
	for tries := 0; ; tries++ {
		err = filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := os.ReadFile(path)
			s.add("index", body)
			return err
		})
		if err == nil {
			return
		}
		if !errors.Is(err, os.ErrNotExist) || tries == 100 { // the server renames and removes files below the reader
			t.Fatal(err)
		}
	}
}

// broken is an environment in which a start fails over a mistake next to the secrets.
func broken(t *testing.T, env config.Env) config.Env {
	t.Helper()
	text, err := os.ReadFile(env.Config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("kind: woocommerce"), []byte("kind: woocommers"))
	text = bytes.ReplaceAll(text, []byte("token:"), []byte("tokn:"))
	env.Config, _ = folder(t, string(text))
	return env
}
