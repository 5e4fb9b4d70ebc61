package quota

import (
	"context"
	"testing"
	"time"
)

// TestStoredLimitsAreTheServers: after a restart the limits are those that are configured then, unless the server has told
// lower ones.
func TestStoredLimitsAreTheServers(t *testing.T) {
	for name, c := range map[string]struct {
		told, raised Limits // Minute and Day
		want         Limits
	}{
		"raised":           {raised: Limits{Minute: 240, Day: 30_000}, want: Limits{Minute: 240, Day: 30_000}},
		"lowered":          {raised: Limits{Minute: 50, Day: 1000}, want: Limits{Minute: 50, Day: 1000}},
		"raised, not true": {told: Limits{Minute: 100, Day: 10_000}, raised: Limits{Minute: 240, Day: 30_000}, want: Limits{Minute: 100, Day: 10_000}},
		"told lower":       {told: Limits{Minute: 60, Day: 6000}, raised: Limits{Minute: 100, Day: 10_000}, want: Limits{Minute: 60, Day: 6000}},
	} {
		l := New(Config{Limits: Limits{Second: 10, Minute: 100, Day: 10_000}})
		if err := l.Restore(start, nil); err != nil {
			t.Fatal(err)
		}
		if c.told.Minute > 0 {
			l.Observe(Observation{
				Sent: start, At: start, Status: 200,
				Minute: Reading{Known: true, Limit: c.told.Minute, Available: c.told.Minute}, Day: Reading{Known: true, Limit: c.told.Day, Available: c.told.Day},
			})
		}
		for restart := range 3 { // what was told is handed on
			var stored []byte
			err := l.Leave(t.Context(), start, func(_ context.Context, b []byte) error {
				stored = b
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			l = New(Config{Limits: Limits{Second: 10, Minute: c.raised.Minute, Day: c.raised.Day}})
			if err := l.Restore(start.Add(time.Minute), stored); err != nil {
				t.Fatal(err)
			}
			if o := l.Outlook(start.Add(time.Minute)); o.Minute.Limit != c.want.Minute || o.Day.Limit != c.want.Day {
				t.Errorf("%s, restart %d: %d a minute and %d a day, want %d and %d", name, restart, o.Minute.Limit, o.Day.Limit, c.want.Minute, c.want.Day)
			}
		}
	}
}
