//go:build unix

package torture

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// report prints what came of the run and fails the test where the bar is missed.
func (v *verdict) report(s *stage, shop *shop, chaos *chaos, calls sandbox.Calls, load, settled time.Duration) {
	t := v.t
	spoilt := map[string]int{}
	for _, l := range v.log {
		if l.Fault != nil {
			spoilt[*l.Fault]++
		}
	}
	kinds := map[string]int{}
	for _, f := range shop.accepted {
		kinds[string(f.kind)]++
	}
	exits := 0
	for _, p := range append(s.bridges, s.servers...) {
		exits += p.exits
		for _, bad := range p.disgraced() {
			t.Error(bad)
		}
	}
	violations := v.violations.Second + v.violations.Minute + v.violations.Day
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "\n%-11s "+format, append([]any{name}, args...)...)
	}
	line("load", "%d events accepted in %.0f s (%.1f/s): %s", len(shop.accepted), load.Seconds(), float64(len(shop.accepted))/load.Seconds(), counted(kinds))
	line("", "%d resends; answers: %s", shop.resends, counted(shop.answers))
	line("faults", "%s; processes that ended of their own and were started again: %d", counted(chaos.happened), exits)
	line("", "calls spoilt: %s", counted(spoilt))
	line("calls", "%d; most in a second %d of %d, in a minute %d of %d", calls.Total, v.most.Second, perSecond, v.most.Minute, perMinute)
	line("events", "accepted %d = done %d + in doubt %d + failed %d", len(shop.accepted), v.states[events.Done], v.states[events.InDoubt], v.states[events.Failed])
	line("in doubt", "answers that the sandbox dropped: %s; cut off: %d (%d kills, pauses and losses of NATS)", counted(v.dropped), v.cutOff, v.cuts)
	line("settled", "%.0f s after the last fault", settled.Seconds())
	line("lost", "%d", len(v.lost))
	line("doubled", "%d", len(v.doubled))
	line("violations", "of order %d, of quota %d", len(v.disordered), violations)
	t.Log(b.String())

	for name, list := range map[string][]string{"lost": v.lost, "doubled": v.doubled, "out of order": v.disordered, "in doubt for no reason": v.unjustified} {
		for i, text := range list {
			if i == 20 {
				t.Errorf("%s: … %d more", name, len(list)-i)
				break
			}
			t.Errorf("%s: %s", name, text)
		}
	}
	if violations > 0 {
		t.Errorf("calls above a limit: %+v", v.violations)
	}
	s.explain(v)
	for name, row := range v.rows {
		if row.State == events.Failed {
			t.Errorf("%s failed: %s %s at %s", name, row.Reason, row.Detail, row.Step)
		}
	}
}

// mostExplained bounds how much of what is wrong is shown in full.
const mostExplained = 5

// explain shows what the bridges and the sandbox know of the facts that are wrong.
func (s *stage) explain(v *verdict) {
	for _, f := range v.suspects[:min(mostExplained, len(v.suspects))] {
		var story json.RawMessage
		row := v.rows[accounts[f.account].name+" "+f.id()]
		if err := s.get(v.t.Context(), 0, "/api/events/"+row.Key, &story); err != nil {
			v.t.Error(err)
		}
		v.t.Logf("%s: %s", f.id(), story)
		state := s.crm.State(accounts[f.account].app)
		for _, n := range state.Notes {
			if firstWords(n.Title) == f.title() {
				v.t.Logf("%s: note %s of contact %s at %s: %s", f.id(), n.ID, n.ContactID, n.At.Format(time.RFC3339Nano), n.Body)
			}
		}
		contacts := v.world.contacts[f.email()]
		for i := range v.log {
			if l := &v.log[i]; len(contacts) > 0 && slices.Contains(l.Subjects, "contact:"+contacts[0].ID) && l.App == accounts[f.account].app {
				v.t.Logf("%s: %s %s %d", l.At.Format("15:04:05.000"), l.Operation, l.Path, l.Status)
			}
		}
	}
}
