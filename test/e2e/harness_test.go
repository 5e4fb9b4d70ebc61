package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
	"bridge/internal/ops"
)

const (
	shopSecret = "a-secret-of-the-tests"
	patience   = 6 * time.Minute
)

// shopRules is an account whose every step leaves something that can be counted in the sandbox.
const shopRules = `
accounts:
  default:
    app: ab123
    keap: {service_account_key: KeapAK-e2e-00000000000000000000000000000000}
    quota: {second: 200, minute: 12000, day: 1000000}
    user_id: 1
    tags: {create: any, per_day: 10000}
    sources:
      shop: {kind: woocommerce, secret: ` + shopSecret + `}
      crm: {kind: nats}
    rules:
      - name: purchase
        on: order.paid
        priority: urgent
        do:
          - contact: {opt_in: "Bought something", fields: {LastOrder: "{{event.order.number}}"}}
          - tag: [Customer, "Bought {{item.sku}}"]
          - goal: {integration: shop, call: "{{event.order.number}}"}
          - note: {title: "Order {{event.order.number}}", body: "paid"}
      - name: lead
        on: lead.submitted
        do:
          - contact: {opt_in: "Asked for an offer"}
          - tag: [Lead]
          - note: {title: "Lead {{event.id}}", body: "asked"}
`

// keap is a sandbox behind a listener.
func keap(t *testing.T, seed uint64) (*sandbox.Server, string) {
	t.Helper()
	s := sandbox.New(sandbox.Options{Seed: seed})
	second, minute, day := 200, 12000, 1000000
	if err := s.SetSettings(sandbox.Settings{Quota: &sandbox.Quota{Second: &second, Minute: &minute, Day: &day}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Seed(sandbox.Seed{CustomFields: []sandbox.CustomField{{ID: "1", Label: "LastOrder"}}}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL + "/crm"
}

// folder makes a configuration and a data directory.
func folder(t *testing.T, rules string) (cfg, data string) {
	t.Helper()
	dir := t.TempDir()
	cfg, data = filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(cfg, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg, data
}

// freePort finds an address that a child can listen on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// client is the tests' own: its connections end with the test.
func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

// order is a WooCommerce order that is paid, by a customer of its own choice.
func order(n, customer int) []byte {
	now := time.Now().UTC().Format("2006-01-02T15:04:05")
	return fmt.Appendf(nil, `{"id":%d,"number":"%d","status":"processing","currency":"EUR","total":"30.00","date_created_gmt":%q,"date_modified_gmt":%q,"date_paid_gmt":%q,
"billing":{"first_name":"Customer","last_name":"%d","email":"customer%d@example.com"},
"line_items":[{"id":1,"sku":"SKU%d","name":"Thing","quantity":1,"price":30,"total":"30.00"}],"refunds":[]}`, n, n, now, now, now, customer, customer, n%5)
}

func orderID(n int) string { return fmt.Sprintf("shop:order.paid:%d", n) }

// postOrder sends an order as WooCommerce would and returns the answer's status.
func postOrder(ctx context.Context, c *http.Client, base string, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/hooks/default/shop", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-WC-Webhook-Topic", "order.updated")
	req.Header.Set("X-WC-Webhook-Signature", signed(shopSecret, body))
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// signed is WooCommerce's signature.
func signed(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// api asks the console.
type api struct {
	http *http.Client
	base string
}

func (a *api) get(ctx context.Context, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return err
	}
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000))
		return fmt.Errorf("%s: %s %s", path, res.Status, text)
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// all lists every event.
func (a *api) all(ctx context.Context) ([]events.Row, error) {
	var rows []events.Row
	cursor := ""
	for {
		var page struct {
			Events []events.Row `json:"events"`
			Next   *string      `json:"next"`
		}
		if err := a.get(ctx, "/api/events?limit=500&cursor="+url.QueryEscape(cursor), &page); err != nil {
			return nil, err
		}
		rows = append(rows, page.Events...)
		if page.Next == nil {
			return rows, nil
		}
		cursor = *page.Next
	}
}

// settled waits until n events are in the log and none is left to do, and returns them by id.
func (a *api) settled(t *testing.T, n int) map[string]events.Row {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	var status ops.Status
	for {
		err := a.get(ctx, "/api/status", &status)
		s := status.Accounts["default"]
		if err == nil && s.Backlog.Total() == 0 && s.Parked == 0 && s.Done+s.Failed+s.InDoubt >= n {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not settled after %v: %+v %v", patience, s, err)
		case <-look.C:
		}
	}
	rows, err := a.all(ctx)
	if err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]events.Row, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID
}

// effects counts what the sandbox holds of each order and lead.
type effects struct {
	goals, notes map[string]int
	tags         map[string]map[string]bool // by e-mail
	contacts     map[string]int             // by e-mail
}

func effectsOf(s *sandbox.Server) effects {
	state := s.State("")
	e := effects{goals: map[string]int{}, notes: map[string]int{}, tags: map[string]map[string]bool{}, contacts: map[string]int{}}
	for _, g := range state.Goals {
		e.goals[g.Call]++
	}
	for _, n := range state.Notes {
		e.notes[firstWords(n.Title)]++
	}
	for _, c := range state.Contacts {
		e.contacts[c.Email]++
		e.tags[c.Email] = map[string]bool{}
		for _, tag := range c.Tags {
			e.tags[c.Email][tag] = true
		}
	}
	return e
}

// firstWords is a note's title without the mark that the bridge adds.
func firstWords(title string) string {
	var a, b string
	_, _ = fmt.Sscan(title, &a, &b)
	return a + " " + b
}

// checkOrder compares what an order left in the CRM with what became of its event.
func (e *effects) checkOrder(t *testing.T, n, customer int, row events.Row) {
	t.Helper()
	number := strconv.Itoa(n)
	goals, notes := e.goals[number], e.notes["Order "+number]
	if goals > 1 || notes > 1 {
		t.Errorf("order %d: %d goals, %d notes: done twice", n, goals, notes)
	}
	email := fmt.Sprintf("customer%d@example.com", customer)
	if e.contacts[email] > 1 {
		t.Errorf("%s was created %d times", email, e.contacts[email])
	}
	if row.State != events.Done {
		return
	}
	if goals != 1 || notes != 1 || !e.tags[email]["Customer"] || !e.tags[email][fmt.Sprintf("Bought SKU%d", n%5)] {
		t.Errorf("order %d is done, but: %d goals, %d notes, tags %v", n, goals, notes, e.tags[email])
	}
}

// contextFor bounds what is expected to get no answer.
func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 500*time.Millisecond)
}

// serveHere runs the bridge in this process with everything embedded and gives the path of its configuration, too.
func serveHere(t *testing.T, yaml, keapURL string) (a *app.App, cfg string) {
	t.Helper()
	cfg, data := folder(t, yaml)
	env := config.DefaultEnv()
	env.Config, env.DataDir, env.KeapBaseURL, env.HTTPAddr, env.ConsoleAddr = cfg, data, keapURL, "127.0.0.1:0", "127.0.0.1:0"
	a, err := app.Start(t.Context(), app.Settings{Env: env, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(); err != nil {
			t.Error(err)
		}
	})
	return a, cfg
}
