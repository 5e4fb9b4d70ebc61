package e2e

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/internal/app"
	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

// lateRules is a shop whose orders, customers and subscriptions leave what can be told apart.
const lateRules = `
accounts:
  default:
    app: ab123
    keap: {service_account_key: KeapAK-late-0000000000000000000000000000000}
    tags: {create: any, per_day: 100}
    sources:
      shop: {kind: woocommerce, secret: ` + shopSecret + `}
    rules:
      - {name: state, on: [order.*, customer.*, woocommerce.*], do: [{contact: {opt_in: "Bought something"}}, {tag: "{{event.type}}"}]}
      - {name: member, on: [subscription.started, subscription.resumed], do: [{contact: {opt_in: "Subscribed"}}, {tag: Member}]}
      - {name: left, on: subscription.cancelled, do: [{contact: {opt_in: "Subscribed"}}, {untag: Member}, {tag: Left}]}
`

// late is a shop of the tests: it posts states in the order that it likes.
type late struct {
	t    *testing.T
	app  *app.App
	shop sources.Source
	now  time.Time
}

// post sends a resource as it stood some minutes ago.
func (l *late) post(topic string, minutes int, body string) {
	l.t.Helper()
	at := l.now.Add(-time.Duration(minutes) * time.Minute).Format("2006-01-02T15:04:05")
	body = strings.NewReplacer("BEGUN", l.now.Add(-time.Hour).Format("2006-01-02T15:04:05"), "MODIFIED", at).Replace(body)
	out, err := l.shop.(sources.Signer).Sign(topic, []byte(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, "http://"+l.app.HTTPAddr+"/hooks/default/shop", bytes.NewReader(out.Body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header = out.Header
	res, err := client(l.t).Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(res.Body)
		l.t.Fatalf("%s: %d %s", topic, res.StatusCode, text)
	}
}

// TestLateDeliveries: an older state that is delivered after a newer one does not take effect, and no fact is lost.
func TestLateDeliveries(t *testing.T) {
	crm, url := keap(t, 1)
	a, _ := serveHere(t, lateRules, url)
	shop, mistakes := sources.New("shop", "default", sources.Config{Kind: "woocommerce", Secret: sources.Secrets{secret.New(shopSecret)}}, sources.Deps{})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	l := &late{t, a, shop, time.Now().UTC()}
	console := &api{client(t), "http://" + a.ConsoleAddr}

	const order = `{"id":1,"number":"1","currency":"EUR","total":"30.00","date_created_gmt":"BEGUN","date_modified_gmt":"MODIFIED","refunds":[],"line_items":[],`
	const buyer = `"billing":{"first_name":"NAME","email":"buyer@example.com"}}`
	named := func(name, text string) string { return strings.Replace(text, "NAME", name, 1) }
	l.post("order.updated", 10, named("New", order+`"status":"processing","date_paid_gmt":"BEGUN",`+buyer))
	console.settled(t, 1)
	l.post("order.created", 20, named("Old", order+`"status":"pending",`+buyer))
	l.post("order.updated", 12, named("Old", order+`"status":"on-hold",`+buyer)) // a state without a newer one of its kind
	console.settled(t, 3)
	l.post("order.updated", 15, named("Older", order+`"status":"pending",`+buyer)) // and an older one than that
	console.settled(t, 4)

	const customer = `{"id":7,"username":"c","email":"customer@example.com","first_name":"NAME","date_created_gmt":"BEGUN","date_modified_gmt":"MODIFIED","billing":{}}`
	l.post("customer.updated", 5, named("New", customer))
	console.settled(t, 5)
	l.post("customer.updated", 6, named("Old", customer))
	l.post("customer.created", 60, named("Old", customer))
	console.settled(t, 7)

	const subscription = `{"id":3,"number":"3","currency":"EUR","total":"9.00","billing_period":"month","start_date_gmt":"BEGUN","date_modified_gmt":"MODIFIED","line_items":[],"billing":{"first_name":"Sub","email":"subscriber@example.com"},"status":`
	l.post("subscription.updated", 5, subscription+`"cancelled"}`)
	console.settled(t, 8)
	l.post("subscription.created", 30, subscription+`"active"}`)
	rows := console.settled(t, 9)

	checkLate(t, crm.State("").Contacts, rows)
}

func checkLate(t *testing.T, contacts []sandbox.Contact, rows map[string]events.Row) {
	t.Helper()
	want := map[string]struct {
		name      string
		has, lack []string
	}{
		"buyer@example.com":      {"New", []string{"order.paid", "order.created", "woocommerce.order.updated"}, nil},
		"customer@example.com":   {"New", []string{"customer.updated", "customer.created"}, nil},
		"subscriber@example.com": {"Sub", []string{"Left"}, []string{"Member"}},
	}
	for _, c := range contacts {
		w := want[c.Email]
		if c.GivenName != w.name {
			t.Errorf("%s is called %s: an older state was written over a newer one", c.Email, c.GivenName)
		}
		for _, tag := range w.has {
			if !slices.Contains(c.Tags, tag) {
				t.Errorf("%s has %v: the fact %s is lost", c.Email, c.Tags, tag)
			}
		}
		for _, tag := range w.lack {
			if slices.Contains(c.Tags, tag) {
				t.Errorf("%s has %v: a state that was over took effect", c.Email, c.Tags)
			}
		}
	}
	stale := 0
	for _, r := range rows {
		if r.Reason == events.Stale {
			stale++
		}
	}
	if len(contacts) != len(want) || stale != 3 {
		t.Errorf("%d contacts, %d stale events of %d", len(contacts), stale, len(rows))
	}
}
