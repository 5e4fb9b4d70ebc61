package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
	"bridge/internal/ops"
)

var failing = flag.Int("failing", 3000, "how many events TestRuleThatAlwaysFails lets fail")

// brokenRules has a rule that compiles and fails for each event of its type: a lead has no order.
const brokenRules = `
accounts:
  default:
    app: ab123
    keap: {service_account_key: KeapAK-fail-0000000000000000000000000000000}
    quota: {second: 100000, minute: 1000000, day: 10000000}
    user_id: 1
    tags: {create: any, per_day: 100}
    sources:
      shop: {kind: woocommerce, secret: ` + shopSecret + `}
      crm: {kind: nats}
    rules:
      - {name: purchase, on: order.paid, do: [{contact: {opt_in: "Bought something"}}, {tag: Customer}]}
      - {name: lead, on: lead.submitted, do: [{tag: "{{event.order.number}}"}]}
`

// TestRuleThatAlwaysFails: thousands of events fail over one rule. The others go on, what failed is counted and listed, a
// replay says before what it would do, and works everything off once the rule is right.
func TestRuleThatAlwaysFails(t *testing.T) {
	crm, url := keap(t, 1)
	second, minute, day := 100_000, 1_000_000, 10_000_000
	if err := crm.SetSettings(sandbox.Settings{Quota: &sandbox.Quota{Second: &second, Minute: &minute, Day: &day}}); err != nil {
		t.Fatal(err)
	}
	a, cfg := serveHere(t, brokenRules, url)
	console := &api{client(t), "http://" + a.ConsoleAddr}
	const orders = 20
	c := client(t)
	for n := range orders {
		if status, err := postOrder(t.Context(), c, "http://"+a.HTTPAddr, order(n, n)); err != nil || status != http.StatusAccepted {
			t.Fatal(status, err)
		}
		console.leads(t, n**failing/orders, (n+1)**failing/orders)
	}
	console.until(t, func(s ops.AccountStatus) bool { return s.Done == orders && s.Failed == *failing })
	if calls := crm.Calls("").ByOperation["tags.create"]; calls != 1 {
		t.Errorf("%d tags were created; only the orders' was to be", calls)
	}

	began := time.Now()
	var page struct {
		Events []events.Row `json:"events"`
	}
	if err := console.get(t.Context(), "/api/events?state=failed&reason=rule.error&limit=500", &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Events) == 0 || !strings.Contains(page.Events[0].Detail, "order") {
		t.Errorf("%d events on the first page; want the place of the mistake: %+v", len(page.Events), page.Events[:min(1, len(page.Events))])
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("%d failed; a page of 500 after %v; %d MiB of heap in use", *failing, time.Since(began), mem.HeapInuse>>20)

	if err := os.WriteFile(cfg, []byte(strings.Replace(brokenRules, `{tag: "{{event.order.number}}"}`, `{contact: {opt_in: Asked}}, {tag: Lead}`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	console.inForce(t)
	began = time.Now()
	console.replay(t, `{"filter":{"state":"failed","reason":"rule.error"}}`)
	console.until(t, func(s ops.AccountStatus) bool { return s.Done == orders+*failing && s.Failed == 0 })
	t.Logf("replayed after %v with %d calls", time.Since(began), crm.Calls("").Total)
	if got := len(crm.State("").Contacts); got != orders+*failing {
		t.Errorf("%d contacts, want %d", got, orders+*failing)
	}
}

// leads publishes leads by their numbers.
func (a *api) leads(t *testing.T, from, to int) {
	t.Helper()
	for from < to {
		var list []json.RawMessage
		for ; from < to && len(list) < 100; from++ {
			list = append(list, fmt.Appendf(nil, `{"specversion":"1.0","id":"lead-%d","source":"/site","type":"lead.submitted","data":{"contact":{"email":"lead%d@example.com"}}}`, from, from))
		}
		body, err := json.Marshal(map[string]any{"account": "default", "source": "crm", "events": list})
		if err != nil {
			t.Fatal(err)
		}
		a.post(t, "/api/events", string(body), nil)
	}
}

// inForce waits until a replay would plan with the rule that is right.
func (a *api) inForce(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		var job ops.Job
		a.post(t, "/api/replays", `{"ids":["lead-0"],"dry_run":true}`, &job)
		if job.Calls > 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the rule that was put right is not in force: %+v", job)
		case <-look.C:
		}
	}
}

// replay starts a replay and waits for its end.
func (a *api) replay(t *testing.T, selection string) {
	t.Helper()
	var job ops.Job
	a.post(t, "/api/replays", selection, &job)
	if job.ID == "" {
		t.Fatalf("no job: %+v", job)
	}
}

// post sends JSON and reads the answer into out.
func (a *api) post(t *testing.T, path, body string, out any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		t.Fatalf("%s: %s %s %v", path, res.Status, text, err)
	}
	if out == nil {
		return
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(out); err != nil {
		t.Fatalf("%s: %v in %s", path, err, text)
	}
}

// until waits for a state of the account.
func (a *api) until(t *testing.T, reached func(ops.AccountStatus) bool) {
	t.Helper()
	limit := max(patience, time.Duration(*failing)*20*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		var status ops.Status
		err := a.get(ctx, "/api/status", &status)
		s := status.Accounts["default"]
		if err == nil && reached(s) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not reached after %v: %+v %v", limit, s, err)
		case <-look.C:
		}
	}
}
