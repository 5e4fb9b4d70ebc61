package brownout

import (
	"sync"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// TestAnHourOf: Keap answers everything with nonsense, or hardly at all, for an hour, while a buyer comes every 15 s. Nothing is
// given up, it is not stormed, and when it is well again all is done, once, without a person.
func TestAnHourOf(t *testing.T) {
	for _, weather := range []struct {
		name   string
		faults []sandbox.Fault
		most   int // calls during the hour
	}{
		{"web pages", []sandbox.Fault{{Fault: "html"}}, 4000},
		{"half answers", []sandbox.Fault{{Match: sandbox.Match{Operation: "action_sets.run"}, Fault: "status:503"}, {Fault: "truncated"}}, 4000},
		{"overload", []sandbox.Fault{{Fault: "status:503"}}, 4000},
		{"slowness", []sandbox.Fault{{Fault: "slow:8s"}}, 4000},
		{"silence", []sandbox.Fault{{Match: sandbox.Match{Operation: "action_sets.run"}, Fault: "status:503"}, {Fault: "timeout_before"}}, 4000},
	} {
		t.Run(weather.name, func(t *testing.T) {
			begin(t, blackFriday, false, func(b *bridge) {
				var over time.Time
				var calls int
				var sky sync.WaitGroup
				sky.Go(func() {
					time.Sleep(time.Minute)
					before := b.crm.Calls("").Total
					if err := b.crm.SetFaults(weather.faults); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Hour)
					calls = b.crm.Calls("").Total - before
					if err := b.crm.SetFaults(nil); err != nil {
						t.Error(err)
					}
					over = time.Now()
				})
				ends := b.sale(15*time.Second, 0)
				sky.Wait()
				ran, _ := b.eachOnce(ends)
				tries := 0
				for i, end := range ends {
					if tries = max(tries, end.verdict.Attempt); end.verdict.State() != events.Done {
						t.Errorf("event %d: %s %s", i, end.verdict.State(), end.verdict.Detail)
					}
				}
				if ran != crowd || calls > weather.most {
					t.Errorf("%d action sets ran; %d calls in the hour", ran, calls)
				}
				t.Logf("%d events; %d calls in the hour; at most %d attempts; the last was done %v after it", crowd, calls, tries, time.Since(over).Round(time.Second))
			})
		})
	}
}
