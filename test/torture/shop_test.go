//go:build unix

package torture

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	shopSecret = "a-secret-of-the-torture"
	tillToken  = "a-token-of-the-torture-0123456789"

	customersEach = 25 // an account
	resendShare   = 0.12
)

// account is one shop with its Keap account.
type account struct {
	name, app    string
	key, nextKey string
}

// accounts: the first two share a Keap account, and with it a quota group.
var accounts = []account{
	{name: "alfa", app: "ab111", key: "KeapAK-torture-alfa-0000000000000000000000000"},
	{name: "beta", app: "ab111", key: "KeapAK-torture-beta-0000000000000000000000000"},
	{name: "gamma", app: "cd222", key: "KeapAK-torture-gamma-000000000000000000000000", nextKey: "KeapAK-torture-gamma-111111111111111111111111"},
	{name: "delta", app: "ef333", key: "KeapAK-torture-delta-000000000000000000000000"},
}

// Limits of each key, in the configuration and in the sandbox.
const (
	perSecond = 100
	perMinute = 3000
	perDay    = 1_000_000
)

// rules use every kind of step that leaves something to count: some of them Keap can read back, goals and action sets
// it cannot.
const rules = `
    user_id: 1
    tags: {create: any, per_day: 10000}
    action_sets: {42: {name: Welcome, replace_with: {tag: Welcome}}}
    sources:
      shop: {kind: woocommerce, secret: ` + shopSecret + `}
      till: {kind: cloudevents, token: ` + tillToken + `}
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
      - name: record
        on: order.paid
        when: event.order.items[0].sku == "SKU0"
        do:
          - order: {}
      - name: lead
        on: lead.submitted
        do:
          - contact: {opt_in: "Asked for an offer"}
          - tag: [Lead]
          - sequence: {automation: 12, sequence: 3}
          - task: {title: "Call {{event.id}}", due: "{{now + duration('24h')}}"}
          - note: {title: "Lead {{event.id}}", body: "asked"}
      - name: member
        on: member.joined
        priority: bulk
        do:
          - contact: {opt_in: "Joined"}
          - action_set: 42
          - note: {title: "Member {{event.id}}", body: "joined"}
`

func configuration(rules string, second, minute int) []byte {
	var b strings.Builder
	b.WriteString("accounts:\n")
	for _, a := range accounts {
		fmt.Fprintf(&b, "  %s:\n    app: %s\n    keap: {service_account_key: %s", a.name, a.app, a.key)
		if a.nextKey != "" {
			fmt.Fprintf(&b, ", next_key: %s", a.nextKey)
		}
		fmt.Fprintf(&b, "}\n    quota: {second: %d, minute: %d, day: %d}%s", second, minute, perDay, rules)
	}
	return []byte(b.String())
}

// kind is what a customer does.
type kind string

const (
	order  kind = "order"  // a WooCommerce order over HTTP, signed
	lead   kind = "lead"   // a CloudEvent over NATS
	member kind = "member" // a CloudEvent over HTTP
)

// fact is one event that a customer sends until it is accepted.
type fact struct {
	kind     kind
	account  int
	customer int
	n        int // of its customer and kind: 1, 2, 3 … in the order of sending
	made     time.Time
}

// number names the fact everywhere.
func (f *fact) number() int { return (f.account+1)*10_000_000 + (f.customer+1)*10_000 + f.n }

func (f *fact) email() string {
	return fmt.Sprintf("customer%d.%s@example.com", f.customer, accounts[f.account].name)
}

// id is the event's, as the bridge gives it.
func (f *fact) id() string {
	if f.kind == order {
		return fmt.Sprintf("shop:order.paid:%d", f.number())
	}
	return fmt.Sprintf("%s-%d", f.kind, f.number())
}

// title is that of the note which the fact leaves at its contact.
func (f *fact) title() string {
	if f.kind == order {
		return fmt.Sprintf("Order %d", f.number())
	}
	return strings.ToUpper(string(f.kind[:1])) + string(f.kind[1:]) + " " + f.id()
}

func (f *fact) recorded() bool { return f.kind == order && f.n%5 == 0 }

func (f *fact) body() []byte {
	if f.kind != order {
		kind := map[kind]string{lead: "lead.submitted", member: "member.joined"}[f.kind]
		return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"torture.example.com","type":%q,"data":{"contact":{"email":%q,"first_name":"Customer"}}}`,
			f.id(), kind, f.email())
	}
	at := f.made.UTC().Format("2006-01-02T15:04:05")
	return fmt.Appendf(nil, `{"id":%d,"number":"%d","status":"processing","currency":"EUR","total":"30.00","date_created_gmt":%q,"date_modified_gmt":%q,"date_paid_gmt":%q,
"billing":{"first_name":"Customer","last_name":"%d","email":%q},
"line_items":[{"id":1,"sku":"SKU%d","name":"Thing","quantity":1,"price":30,"total":"30.00"}],"refunds":[]}`,
		f.number(), f.number(), at, at, at, f.customer, f.email(), f.n%5)
}

// shop offers the load.
type shop struct {
	t      testing.TB
	http   *http.Client
	nats   *nats.Conn
	fronts []string // http://host:port of each bridge
	loyal  bool     // a customer comes to one bridge always, else to any

	mu       sync.Mutex
	accepted []*fact
	visited  map[string]int // answers of each bridge: "<front> <answer>"
	answers  map[string]int // to every try, the last one of a fact and resends included
	resends  int
}

func newShop(s *stage, nc *nats.Conn) *shop {
	return &shop{t: s.t, http: s.http, nats: nc, fronts: s.fronts, answers: map[string]int{}, visited: map[string]int{}}
}

// accepting counts what a bridge has accepted.
func (s *shop) accepting(front int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.visited[fmt.Sprint(front, " 202")] + s.visited[fmt.Sprint(front, " 200")]
}

// open lets every customer do business until ctx ends. What is being sent then is sent to the end, within all.
func (s *shop) open(ctx, all context.Context, seed uint64) {
	var business sync.WaitGroup
	pause := time.Duration(len(accounts)*customersEach) * time.Second / time.Duration(*rate)
	for a := range accounts {
		for c := range customersEach {
			rnd := rand.New(rand.NewPCG(seed, uint64(a*customersEach+c)))
			business.Go(func() { s.customer(ctx, all, rnd, a, c, pause) })
		}
	}
	business.Wait()
}

// customer sends one event after another: the next of a kind when the one before is accepted.
func (s *shop) customer(ctx, all context.Context, rnd *rand.Rand, account, customer int, pause time.Duration) {
	sent := map[kind][]*fact{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rnd.Int64N(int64(2*pause) + 1))):
		}
		k := [...]kind{order, order, order, lead, lead, member}[rnd.IntN(6)]
		f := &fact{kind: k, account: account, customer: customer, n: len(sent[k]) + 1, made: time.Now()}
		for !s.send(all, rnd, f) {
			select {
			case <-all.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
		s.mu.Lock()
		s.accepted = append(s.accepted, f)
		s.mu.Unlock()
		sent[k] = append(sent[k], f)
		if rnd.Float64() < resendShare {
			s.send(all, rnd, sent[k][rnd.IntN(len(sent[k]))])
			s.mu.Lock()
			s.resends++
			s.mu.Unlock()
		}
	}
}

// send tries once, at any of the bridges.
func (s *shop) send(ctx context.Context, rnd *rand.Rand, f *fact) bool {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	var answer string
	accepted := false
	if f.kind == lead {
		answer, accepted = s.publish(ctx, f)
	} else {
		front := rnd.IntN(len(s.fronts))
		if s.loyal {
			front = f.customer % len(s.fronts)
		}
		answer, accepted = s.post(ctx, s.fronts[front], f)
		s.mu.Lock()
		s.visited[fmt.Sprint(front, " ", answer)]++
		s.mu.Unlock()
	}
	s.mu.Lock()
	s.answers[answer]++
	s.mu.Unlock()
	return accepted
}

func (s *shop) publish(ctx context.Context, f *fact) (answer string, accepted bool) {
	ack, err := s.nats.RequestWithContext(ctx, "ingest."+accounts[f.account].name+".crm", f.body())
	switch {
	case err != nil:
		return "none", false
	case bytes.Contains(ack.Data, []byte(`"error"`)):
		return "NATS error", false
	}
	return "NATS ack", true
}

func (s *shop) post(ctx context.Context, front string, f *fact) (answer string, accepted bool) {
	path, header := "/till", http.Header{"Authorization": {"Bearer " + tillToken}, "Content-Type": {"application/cloudevents+json"}}
	body := f.body()
	if f.kind == order {
		mac := hmac.New(sha256.New, []byte(shopSecret))
		mac.Write(body)
		path, header = "/shop", http.Header{
			"Content-Type": {"application/json"}, "X-Wc-Webhook-Topic": {"order.updated"},
			"X-Wc-Webhook-Signature": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, front+"/hooks/"+accounts[f.account].name+path, bytes.NewReader(body))
	if err != nil {
		s.t.Error(err)
		return "none", false
	}
	req.Header = header
	res, err := s.http.Do(req)
	if err != nil {
		return "none", false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable && res.StatusCode/100 != 2 {
		s.t.Errorf("%s: %s %s", f.id(), res.Status, text)
	}
	return fmt.Sprint(res.StatusCode), err == nil && res.StatusCode/100 == 2
}
