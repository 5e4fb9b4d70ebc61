//go:build unix

package torture

import (
	"fmt"
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
	line("in doubt", "%d whose answer the sandbox dropped, %d cut off (%d kills, pauses and losses of NATS)", v.droppedAnswers, v.cutOff, len(chaos.cuts))
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
	if v.cutOff > 0 && len(chaos.cuts) == 0 {
		t.Errorf("%d events are in doubt though nothing was cut off", v.cutOff)
	}
	for name, row := range v.rows {
		if row.State == events.Failed {
			t.Errorf("%s failed: %s %s at %s", name, row.Reason, row.Detail, row.Step)
		}
	}
}
