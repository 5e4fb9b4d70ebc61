// Package brownout runs events whose rule names an action set through rules, dispatcher and planner against the Keap
// sandbox while XML-RPC goes away: for hours, and for good. In virtual time, so that two days take seconds. What it
// must show: no event is lost or left to a person who could do nothing about it, no effect comes twice, and Keap is
// asked at most once a minute whether XML-RPC is back.
package brownout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
)

const crowd = 200

var blackFriday = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

// begin starts a test's virtual time.
func begin(t *testing.T, at time.Time, replaced bool, test func(*bridge)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at))
		b := newBridge(t, replaced)
		test(b)
		if err := errors.Join(b.lane.Close(context.Background()), b.planner.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
}

// sale handles an event of each of the crowd, a new one each pause, and gives what became of them. late is how long
// after the first ones the crowd comes.
func (b *bridge) sale(pause, late time.Duration) []ending {
	const firstOnes = 10
	ends := make([]ending, crowd)
	var all sync.WaitGroup
	for i := range ends {
		if i == firstOnes {
			time.Sleep(late)
		}
		all.Go(func() { ends[i] = b.handle(i) })
		time.Sleep(pause)
	}
	all.Wait()
	return ends
}

func (b *bridge) xmlrpc(state string) time.Time {
	if err := b.crm.SetSettings(sandbox.Settings{XMLRPC: state}); err != nil {
		b.t.Error(err)
	}
	return time.Now()
}

// eachOnce checks that every buyer has one contact, one tag and one effect, over XML-RPC or in its place.
func (b *bridge) eachOnce(ends []ending) (ran, replaced int) {
	b.t.Helper()
	state := b.crm.State("ab123")
	effects, tagged := map[string]int{}, map[string]bool{}
	for _, run := range state.ActionSets {
		effects[run.ContactID]++
		ran++
	}
	for _, goal := range state.Goals {
		effects[goal.ContactID]++
		replaced++
	}
	ids := map[string]string{}
	for _, c := range state.Contacts {
		if ids[c.Email] != "" {
			b.t.Errorf("%s was created twice", c.Email)
		}
		ids[c.Email] = c.ID
		tagged[c.Email] = len(c.Tags) == 1
	}
	for i, end := range ends {
		email := buyer(i)
		if end.verdict.Kind != events.VerdictDone || effects[ids[email]] != 1 || !tagged[email] {
			b.t.Errorf("%s: %v %s, %d effects, tagged %t", email, end.verdict.State(), end.verdict.Detail, effects[ids[email]], tagged[email])
		}
	}
	return ran, replaced
}

// probes checks how often XML-RPC was tried while it was away; settled is when what was on its way had been answered.
func (b *bridge) probes(settled, back time.Time) int {
	b.t.Helper()
	var last time.Time
	n := 0
	for _, line := range b.crm.Log("", time.Time{}, 0) {
		if line.Operation != "action_sets.run" || line.At.Before(settled) || !line.At.Before(back) {
			continue
		}
		if n++; n > 1 && line.At.Sub(last) < time.Minute {
			b.t.Errorf("tried at %v and %v", last, line.At)
		}
		last = line.At
	}
	if n == 0 {
		b.t.Error("nobody tried")
	}
	return n
}

// parkedFor checks that the waiting was told by its reason, and burnt no attempt.
func (b *bridge) parkedFor(ends []ending, reason events.Reason) {
	b.t.Helper()
	waited := 0
	for i, end := range ends {
		waited += end.parked[reason]
		if delete(end.parked, reason); len(end.parked) > 0 || end.verdict.Attempt > 0 {
			b.t.Errorf("event %d: also parked for %v, %d attempts", i, end.parked, end.verdict.Attempt)
		}
	}
	if waited == 0 {
		b.t.Errorf("nobody was parked with %s", reason)
	}
}

func TestComesBack(t *testing.T) {
	begin(t, blackFriday, true, func(b *bridge) {
		var away, back time.Time
		var weather sync.WaitGroup
		weather.Go(func() {
			time.Sleep(30 * time.Second)
			away = b.xmlrpc("brownout")
			time.Sleep(6 * time.Hour)
			back = b.xmlrpc("up")
		})
		ends := b.sale(time.Second, 0)
		weather.Wait()
		ran, replaced := b.eachOnce(ends)
		if ran != crowd || replaced > 0 {
			t.Errorf("%d ran, %d were replaced", ran, replaced)
		}
		b.parkedFor(ends, events.Brownout)
		if late := time.Since(back); late > 3*time.Minute { // a minute to the next try, and 200 of 240 calls a minute
			t.Errorf("the last was done %v after XML-RPC came back", late)
		}
		t.Logf("%d events, %d probes in 6 h, all done %v after XML-RPC came back", crowd, b.probes(away.Add(5*time.Second), back), time.Since(back).Round(time.Second))
	})
}

func TestGoneForGood(t *testing.T) {
	begin(t, blackFriday, true, func(b *bridge) {
		away := b.xmlrpc("gone")
		ends := b.sale(time.Second, 46*time.Hour) // all of them for two days would take a minute of real time
		if _, replaced := b.eachOnce(ends); replaced != crowd {
			t.Errorf("%d of %d were replaced", replaced, crowd)
		}
		b.parkedFor(ends, events.Brownout)
		first := b.crm.State("").Goals[0].At
		if after := first.Sub(away); after < 48*time.Hour || after > 48*time.Hour+5*time.Minute {
			t.Errorf("replaced after %v", after)
		}
		t.Logf("%d events, %d probes in 48 h", crowd, b.probes(away.Add(5*time.Second), first))
	})
}

// TestComesBackAfterAll: XML-RPC is away for longer than any planned outage, then answers again. It is found out, the
// less often it is tried the longer it was away.
func TestComesBackAfterAll(t *testing.T) {
	begin(t, blackFriday, true, func(b *bridge) {
		away := b.xmlrpc("gone")
		first := b.handle(0)
		gone := time.Now()
		ends := []ending{first}
		for i := 1; i < 60; i++ {
			if i == 30 {
				b.xmlrpc("up")
			}
			ends = append(ends, b.handle(i))
			time.Sleep(10 * time.Minute)
		}
		state := b.crm.State("ab123")
		if len(state.Goals)+len(state.ActionSets) != 60 || len(state.Goals) > 40 || len(state.ActionSets) < 20 {
			t.Errorf("%d replaced, %d ran, of 60", len(state.Goals), len(state.ActionSets))
		}
		tries := 0
		for _, line := range b.crm.Log("", time.Time{}, 0) {
			if line.Operation == "action_sets.run" && line.At.After(gone) && line.At.Before(gone.Add(5*time.Hour)) {
				tries++
			}
		}
		if tries < 3 || tries > 6 {
			t.Errorf("tried %d times in 5 hours", tries)
		}
		for i, end := range ends {
			if end.verdict.Kind != events.VerdictDone || i > 0 && len(end.parked) > 0 {
				t.Errorf("event %d: %+v", i, end)
			}
		}
		t.Logf("gone after %v; %d replaced, %d ran", gone.Sub(away), len(state.Goals), len(state.ActionSets))
	})
}

// TestFaultOfTheServer: an action set may have run although XML-RPC answers with a fault. It is left to a person, and
// not sent again; a fault of what was asked fails its event.
func TestFaultOfTheServer(t *testing.T) {
	for fault, want := range map[string]events.Verdict{
		"xml_fault:500": {Kind: events.VerdictDoubt, Reason: events.UnknownOutcome},
		"xml_fault:77":  {Kind: events.VerdictDoubt, Reason: events.UnknownOutcome},
		"xml_fault:12":  {Kind: events.VerdictBury, Reason: events.KeapRejected},
	} {
		begin(t, blackFriday, true, func(b *bridge) {
			if err := b.crm.SetFaults([]sandbox.Fault{{Match: sandbox.Match{Operation: "action_sets.run"}, Fault: fault, Times: 1}}); err != nil {
				t.Fatal(err)
			}
			end := b.handle(0)
			if end.verdict.Kind != want.Kind || end.verdict.Reason != want.Reason || len(end.parked) > 0 {
				t.Errorf("%s: %+v", fault, end)
			}
			if runs := len(b.crm.State("").ActionSets); runs != 1 {
				t.Errorf("%s: ran %d times", fault, runs)
			}
			if end = b.handle(1); end.verdict.Kind != events.VerdictDone {
				t.Errorf("the next one: %+v", end)
			}
		})
	}
}

func TestYearEnds(t *testing.T) {
	begin(t, keap.EndOfXMLRPC.Add(-10*time.Minute), true, func(b *bridge) {
		var weather sync.WaitGroup
		weather.Go(func() { time.Sleep(time.Minute); b.xmlrpc("brownout") })
		ends := b.sale(5*time.Second, 0)
		weather.Wait()
		ran, replaced := b.eachOnce(ends)
		for _, goal := range b.crm.State("").Goals {
			if goal.At.Before(keap.EndOfXMLRPC) {
				t.Errorf("contact %s: replaced at %v", goal.ContactID, goal.At)
			}
		}
		for _, line := range b.crm.Log("", time.Time{}, 0) {
			if line.Operation == "action_sets.run" && !line.At.Before(keap.EndOfXMLRPC) {
				t.Errorf("XML-RPC was tried at %v", line.At)
			}
		}
		if ran == 0 || replaced == 0 {
			t.Errorf("%d ran, %d were replaced: the test shows nothing", ran, replaced)
		}
		t.Logf("%d ran in the old year, %d were replaced in the new one", ran, replaced)
	})
}

func TestNothingReplacesIt(t *testing.T) {
	begin(t, keap.EndOfXMLRPC.Add(time.Second), false, func(b *bridge) {
		for i, end := range b.sale(0, 0) {
			v := end.verdict
			if v.Kind != events.VerdictBury || v.Reason != events.NoReplacement || !strings.Contains(v.Detail, "action_sets.42.replace_with") {
				t.Errorf("event %d: %v %s %q", i, v.State(), v.Reason, v.Detail)
			}
		}
		if runs := len(b.crm.State("").ActionSets); runs > 0 {
			t.Errorf("%d ran", runs)
		}
	})
}

func buyer(i int) string { return fmt.Sprintf("buyer%d@example.com", i) }
