package brownout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"bridge/internal/calls"
	"bridge/internal/dispatch"
	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/quota"
	"bridge/internal/rules"
	"bridge/internal/secret"
)

// bridge is everything behind the queue, whose part handle plays.
type bridge struct {
	t       *testing.T
	crm     *sandbox.Server
	planner *calls.Planner
	lane    *dispatch.Lane
}

const key = "KeapAK-0123456789abcdef"

func newBridge(t *testing.T, replaced bool) *bridge {
	t.Helper()
	crm := sandbox.New(sandbox.Options{Seed: 1})
	latency := [2]int{50, 400}
	if err := errors.Join(
		crm.SetSettings(sandbox.Settings{Keys: map[string]sandbox.Key{key: {App: "ab123"}}, LatencyMS: &latency}),
		crm.Seed(sandbox.Seed{App: "ab123", ActionSets: []sandbox.ActionSet{{ID: "42", Name: "Bought something"}}}),
	); err != nil {
		t.Fatal(err)
	}
	credential, err := keap.ServiceAccountKey(secret.New(key), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	ledger := quota.New(quota.Config{Limits: quota.Limits{Second: 10, Minute: 240, Day: 30000}})
	client, err := keap.New(keap.Options{BaseURL: "http://keap.test/crm", Transport: crm.Transport(), Observe: ledger.Observe, Credential: credential})
	if err != nil {
		t.Fatal(err)
	}
	account := calls.Account{Keap: client, UserID: "1"}
	if replaced {
		account.ActionSets = map[string]calls.ActionSet{"42": {ReplaceWith: []calls.Replacement{{Goal: &events.GoalStep{Integration: "shop", Call: "bought"}}}}}
	}
	memory := &memory{contacts: map[string][]byte{}, journals: map[string][]byte{}}
	log := slog.New(slog.DiscardHandler)
	b := &bridge{t: t, crm: crm}
	b.planner = calls.New(calls.Config{
		Group: "g", Account: func(string) (calls.Account, bool) { return account, true }, Ledger: ledger, Memory: memory, Log: log,
		Returned: func(account string) { b.lane.Wake(account, events.Brownout) },
	})
	b.lane = dispatch.NewLane(dispatch.NewWorker(b.planner, memory, purchases(t), log), logged{}, dispatch.DefaultLimits, log)
	return b
}

// purchases is the rule of every test.
func purchases(t *testing.T) *rules.Set {
	t.Helper()
	set, mistakes := new(rules.Library).Compile([]rules.Rule{{
		Name: "purchase", On: []string{"order.paid"},
		Do: []rules.Step{{Contact: &rules.Contact{OptIn: "Bought something"}}, {Tag: []string{"Customer"}}, {ActionSet: []string{"42"}}},
	}})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	return set
}

// ending is what became of an event.
type ending struct {
	verdict events.Verdict
	parked  map[events.Reason]int // how often, for what
}

// handle does what the queue does with an event: it puts it in line and waits until its verdict is final.
func (b *bridge) handle(i int) ending {
	end, final := ending{parked: map[events.Reason]int{}}, make(chan events.Verdict)
	b.lane.Take(events.Delivery{Event: purchase(i), Seq: uint64(i), Group: "g", Contact: "hash-" + buyer(i), First: true, Received: time.Now()},
		func(_ context.Context, v events.Verdict) error {
			if v.State() == events.Parked {
				end.parked[v.Reason]++
				return nil
			}
			go func() { final <- v }()
			return nil
		})
	end.verdict = <-final
	return end
}

func purchase(i int) events.Event {
	return events.Event{
		ID: fmt.Sprintf("shop:order.paid:%d", i), Account: "default", Source: "shop", Kind: "woocommerce", Type: "order.paid",
		Time: blackFriday, Received: blackFriday, Data: events.Data{Contact: &events.Contact{Email: buyer(i)}},
	}
}

// logged is the log of events, from which those are read again that come back.
type logged struct{}

func (logged) EventBySeq(_ context.Context, seq uint64) (*events.Event, error) {
	e := purchase(int(seq))
	return &e, nil
}

// memory is what the queue remembers: plans and steps as stored, and contacts.
type memory struct {
	mu       sync.Mutex
	contacts map[string][]byte
	journals map[string][]byte
}

func (m *memory) Contact(_ context.Context, group, contact string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.contacts[group+contact]
	return v, ok, nil
}

func (m *memory) SaveContact(_ context.Context, group, contact string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contacts[group+contact] = value
	return nil
}

func (m *memory) LoadJournal(_ context.Context, _, key string) (j events.Journal, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.journalLocked(key)
}

func (m *memory) journalLocked(key string) (j events.Journal, err error) {
	if b := m.journals[key]; b != nil {
		err = json.Unmarshal(b, &j)
	}
	return j, err
}

func (m *memory) change(key string, with func(*events.Journal)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	j, err := m.journalLocked(key)
	if err != nil {
		return err
	}
	with(&j)
	m.journals[key], err = json.Marshal(j)
	return err
}

func (m *memory) SavePlan(_ context.Context, _, key string, p events.Plan) error {
	return m.change(key, func(j *events.Journal) { j.Plan = &p })
}

func (m *memory) SaveMarks(_ context.Context, _, key string, marks events.Marks) error {
	return m.change(key, func(j *events.Journal) { j.Marks = marks })
}

func (m *memory) Turn(context.Context, string, string) (uint64, error) { return 0, nil }
