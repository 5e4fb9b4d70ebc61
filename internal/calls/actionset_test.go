package calls

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/quota"
	"bridge/internal/secret"
)

// sandboxed is a planner on a simulator, in virtual time.
type sandboxed struct {
	*Planner
	t       *testing.T
	crm     *sandbox.Server
	memory  *memoryMap
	account Account
}

const sandboxedKey = "KeapAK-0123456789abcdef"

// inSandbox runs a test in virtual time that begins at a moment, with the action set 42 and contacts c0, c1 …
func inSandbox(t *testing.T, from time.Time, contacts int, test func(*sandboxed)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(from))
		b := &sandboxed{t: t, crm: sandbox.New(sandbox.Options{Seed: 1}), memory: &memoryMap{m: map[string][]byte{}}}
		people := make([]sandbox.Contact, contacts)
		for i := range people {
			people[i] = sandbox.Contact{ID: fmt.Sprint(i + 1), Email: fmt.Sprintf("c%d@example.com", i)}
		}
		latency := [2]int{50, 300}
		if err := errors.Join(
			b.crm.SetSettings(sandbox.Settings{Keys: map[string]sandbox.Key{sandboxedKey: {App: "ab123"}}, LatencyMS: &latency}),
			b.crm.Seed(sandbox.Seed{App: "ab123", Contacts: people, ActionSets: []sandbox.ActionSet{{ID: "42", Name: "Bought something"}}}),
		); err != nil {
			t.Fatal(err)
		}
		b.restart()
		test(b)
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// restart makes a planner as a new process does: of what the old one knew, the memory is left.
func (b *sandboxed) restart() {
	b.t.Helper()
	if b.Planner != nil {
		if err := b.Close(context.Background()); err != nil {
			b.t.Error(err)
		}
	}
	ledger := quota.New(quota.Config{Limits: plenty})
	client, err := keap.New(keap.Options{
		BaseURL: "http://keap.test/crm", Transport: b.crm.Transport(), Observe: ledger.Observe,
		Credential: must(keap.ServiceAccountKey(secret.New(sandboxedKey), secret.Text{})),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.account.Keap, b.account.UserID = client, "1"
	b.Planner = New(Config{
		Group: "g", Account: func(string) (Account, bool) { return b.account, true }, Ledger: ledger, Memory: b.memory, Log: slog.New(slog.DiscardHandler),
	})
}

// handle does what the queue and the dispatcher do with an event of one action set: it comes back when it was parked,
// and ends with what no time heals.
func (b *sandboxed) handle(who int) error {
	ask := ask(events.Normal, fmt.Sprintf("c%d", who), fmt.Sprint(who+1), events.Step{Do: events.DoActionSet, Target: "42"})
	for {
		r := b.Do(context.Background(), ask)[0]
		var closed *Closed
		switch {
		case r.Err == nil:
			return nil
		case !errors.As(r.Err, &closed):
			return r.Err
		case r.Sent:
			return fmt.Errorf("given back although it may have run: %w", r.Err)
		case closed.Reason != events.Brownout:
			return r.Err
		}
		time.Sleep(time.Until(closed.Until))
	}
}

// handleAll handles an event of each of n contacts, a new one each pause, and gives their errors.
func (b *sandboxed) handleAll(n int, pause time.Duration) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = b.handle(i) })
		time.Sleep(pause)
	}
	all.Wait()
	return errs
}

// tries are the moments at which action sets were tried between two others.
func (b *sandboxed) tries(from, to time.Time) (at []time.Time) {
	for _, line := range b.crm.Log("", time.Time{}, 0) {
		if line.Operation == "action_sets.run" && !line.At.Before(from) && line.At.Before(to) {
			at = append(at, line.At)
		}
	}
	return at
}

// atMostOneAMinute checks the probes of an outage, after what was on its way when it began.
func (b *sandboxed) atMostOneAMinute(away, back time.Time) {
	b.t.Helper()
	probes := b.tries(away.Add(time.Second), back)
	if len(probes) == 0 {
		b.t.Error("nobody tried whether XML-RPC is back")
	}
	for i := 1; i < len(probes); i++ {
		if gap := probes[i].Sub(probes[i-1]); gap < xmlrpcProbe {
			b.t.Errorf("probes at %v and %v: %v apart", probes[i-1], probes[i], gap)
		}
	}
	if most := int(back.Sub(away)/xmlrpcProbe) + 1; len(probes) > most {
		b.t.Errorf("%d probes in %v", len(probes), back.Sub(away))
	}
}

// eachOnce checks that every contact has exactly one effect.
func (b *sandboxed) eachOnce(n int, effects map[string]int) {
	b.t.Helper()
	for i := range n {
		if got := effects[fmt.Sprint(i+1)]; got != 1 {
			b.t.Errorf("contact %d: %d effects", i+1, got)
		}
	}
	if len(effects) != n {
		b.t.Errorf("%d contacts have effects, of %d", len(effects), n)
	}
}

func (b *sandboxed) ran() map[string]int {
	runs := map[string]int{}
	for _, run := range b.crm.State("").ActionSets {
		runs[run.ContactID]++
	}
	return runs
}

func (b *sandboxed) achieved() map[string]int {
	goals := map[string]int{}
	for _, g := range b.crm.State("").Goals {
		goals[g.ContactID]++
	}
	return goals
}

func (b *sandboxed) xmlrpc(state string) time.Time {
	b.t.Helper()
	if err := b.crm.SetSettings(sandbox.Settings{XMLRPC: state}); err != nil {
		b.t.Fatal(err)
	}
	return time.Now()
}

var blackFriday = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

var bought = Replacement{Goal: &events.GoalStep{Integration: "shop", Call: "bought"}}

// XML-RPC goes away for six hours while events come in: every action set runs once. Package test/brownout has more.
func TestBrownoutLosesAndDoublesNothing(t *testing.T) {
	const n = 40
	inSandbox(t, blackFriday, n, func(b *sandboxed) {
		b.account.ActionSets = map[string]ActionSet{"42": {ReplaceWith: []Replacement{bought}}}
		var away, back time.Time
		var weather sync.WaitGroup
		weather.Go(func() {
			time.Sleep(20 * time.Second)
			away = b.xmlrpc("brownout")
			time.Sleep(6 * time.Hour)
			back = b.xmlrpc("up")
		})
		for i, err := range b.handleAll(n, time.Second) {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		weather.Wait()
		b.eachOnce(n, b.ran())
		b.atMostOneAMinute(away, back)
		if len(b.achieved()) != 0 {
			t.Error("an action set was replaced although XML-RPC lives")
		}
		t.Logf("%d events, %d probes in %v, the last event done %v after XML-RPC came back", n, len(b.tries(away.Add(time.Second), back)), back.Sub(away), time.Since(back).Round(time.Second))
	})
}

// A burst meets an outage: those that wait for their permits when the first one fails are not sent.
func TestBrownoutStopsABurst(t *testing.T) {
	const n = 200
	inSandbox(t, blackFriday, n, func(b *sandboxed) {
		away := b.xmlrpc("brownout")
		var weather sync.WaitGroup
		var back time.Time
		weather.Go(func() { time.Sleep(30 * time.Minute); back = b.xmlrpc("up") })
		for i, err := range b.handleAll(n, 0) {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		weather.Wait()
		b.eachOnce(n, b.ran())
		b.atMostOneAMinute(away, back)
		if sent := len(b.tries(away, away.Add(time.Second))); sent > 10 {
			t.Errorf("%d action sets were sent before the first answer stopped the others", sent)
		}
	})
}

// XML-RPC goes away for good: after 48 hours, and not before, what replaces the action set runs.
func TestGoneForLongerThanAnyOutage(t *testing.T) {
	const n = 8
	inSandbox(t, blackFriday, n, func(b *sandboxed) {
		b.account.ActionSets = map[string]ActionSet{"42": {ReplaceWith: []Replacement{bought}}}
		away := b.xmlrpc("gone")
		for i, err := range b.handleAll(n, time.Second) {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		b.eachOnce(n, b.achieved())
		first := b.crm.State("").Goals[0].At
		if early := first.Sub(away); early <= xmlrpcGone || early > xmlrpcGone+mostSpread+xmlrpcProbe {
			t.Errorf("replaced after %v", early)
		}
		b.atMostOneAMinute(away, first)
		b.restart() // which remembers
		if tried := len(b.tries(first, time.Now())); b.handle(0) != nil || len(b.tries(first, time.Now())) != tried {
			t.Error("after a restart XML-RPC is tried again")
		}
	})
}

// An outage that nobody looked at for days may be over: it is asked before anything is replaced.
func TestOldOutageIsLookedAtAgain(t *testing.T) {
	inSandbox(t, blackFriday, 2, func(b *sandboxed) {
		b.account.ActionSets = map[string]ActionSet{"42": {ReplaceWith: []Replacement{bought}}}
		b.xmlrpc("brownout")
		r := b.Do(context.Background(), ask(events.Normal, "c0", "1", events.Step{Do: events.DoActionSet, Target: "42"}))
		if keap.KindOf(r[0].Err) != "" || r[0].Err == nil {
			t.Fatal(r[0].Err)
		}
		b.xmlrpc("up")
		time.Sleep(72 * time.Hour)
		b.restart()
		if err := b.handle(1); err != nil || b.ran()["2"] != 1 || len(b.achieved()) != 0 {
			t.Error(err, b.ran(), b.achieved())
		}
	})
}

// The year ends while 200 events wait out a brownout: from 2027-01-01 what replaces the action set runs.
func TestYearEndReplacesActionSets(t *testing.T) {
	const n = 200
	eve := time.Date(2026, 12, 31, 23, 50, 0, 0, time.UTC)
	inSandbox(t, eve, n, func(b *sandboxed) {
		b.account.ActionSets = map[string]ActionSet{"42": {ReplaceWith: []Replacement{bought}}}
		var weather sync.WaitGroup
		weather.Go(func() { time.Sleep(time.Minute); b.xmlrpc("brownout") })
		for i, err := range b.handleAll(n, 5*time.Second) {
			if err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
		weather.Wait()
		effects := b.ran()
		for contact, times := range b.achieved() {
			effects[contact] += times
		}
		b.eachOnce(n, effects)
		for _, g := range b.crm.State("").Goals {
			if g.At.Before(keap.EndOfXMLRPC) {
				t.Errorf("contact %s: replaced at %v", g.ContactID, g.At)
			}
		}
		if tried := b.tries(keap.EndOfXMLRPC, time.Now().Add(time.Hour)); len(tried) > 0 {
			t.Errorf("tried in the new year: %v", tried)
		}
		t.Logf("%d over XML-RPC in the old year, %d replaced in the new one", len(b.ran()), len(b.achieved()))
	})
}

// Without a replacement each event fails with the name of what is missing.
func TestNoReplacementNamesTheConfiguration(t *testing.T) {
	const n = 200
	inSandbox(t, keap.EndOfXMLRPC, n, func(b *sandboxed) {
		for i, err := range b.handleAll(n, 0) {
			var invalid *Invalid
			if !errors.As(err, &invalid) || invalid.Reason != events.NoReplacement || !strings.Contains(invalid.Detail, "action_sets.42.replace_with") {
				t.Errorf("event %d: %v", i, err)
			}
		}
		if calls := b.crm.Calls("").Total; calls != 0 {
			t.Errorf("%d calls", calls)
		}
	})
}

// A list of replacements goes on where it stopped, over a restart too; its goal is not achieved twice.
func TestReplacementsGoOnWhereTheyStopped(t *testing.T) {
	inSandbox(t, keap.EndOfXMLRPC, 1, func(b *sandboxed) {
		second := Replacement{Sequence: &events.SequenceStep{Automation: "12", Sequence: "3"}}
		b.account.ActionSets = map[string]ActionSet{"42": {ReplaceWith: []Replacement{bought, second, {Tag: "Customer"}}}}
		if err := b.crm.SetFaults([]sandbox.Fault{{Match: sandbox.Match{Operation: "sequences.add"}, Fault: "status:503", Times: 2}}); err != nil {
			t.Fatal(err)
		}
		for try := range 3 {
			err := b.handle(0)
			if try < 2 && keap.KindOf(err) != keap.KindOverloaded || try == 2 && err != nil {
				t.Errorf("try %d: %v", try, err)
			}
			if try == 0 {
				b.restart()
			}
		}
		state := b.crm.State("")
		if len(state.Goals) != 1 || len(state.Sequences) != 1 || len(state.Contacts[0].Tags) != 1 {
			t.Errorf("%+v %+v %v", state.Goals, state.Sequences, state.Contacts[0].Tags)
		}
	})
}

// A contact that was merged away is followed by its e-mail address, over XML-RPC as over REST.
func TestActionSetFollowsAMerge(t *testing.T) {
	inSandbox(t, blackFriday, 2, func(b *sandboxed) {
		gone := ask(events.Normal, "c1", "999", events.Step{Do: events.DoActionSet, Target: "42"})
		if r := b.Do(context.Background(), gone)[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		if want := map[string]int{"2": 1}; !maps.Equal(b.ran(), want) {
			text, _ := json.Marshal(b.crm.State("").ActionSets)
			t.Errorf("ran %s", text)
		}
	})
}
