package calls

import (
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestOlderStateChangesNothingBack: an older delivery that comes after a newer one writes only what the newer one did not
// tell.
func TestOlderStateChangesNothingBack(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		write := func(age time.Duration, c events.Contact) Result {
			b.t.Helper()
			a := ask(events.Normal, "ann", "", contact(c))
			a.Time = a.Time.Add(-age)
			r := b.Do(b.t.Context(), a)
			b.fine(r)
			return r[0]
		}
		write(time.Minute, events.Contact{Email: "ann@example.com", FirstName: "New", Phone: "2"})
		if r := write(time.Hour, events.Contact{Email: "ann@example.com", FirstName: "Old", Phone: "1"}); !r.Skipped || r.Contact == "" {
			b.t.Errorf("an older state was written: %+v", r)
		}
		write(time.Hour, events.Contact{Email: "ann@example.com", FirstName: "Old", LastName: "Lee"})
		write(0, events.Contact{Email: "ann@example.com", FirstName: "Newest"})
		b.expect("upsert", "upsert", "upsert")
		for i, want := range []string{`"family_name":"Lee"`, `"given_name":"Newest"`} {
			if body := b.far.calls[i+1].Body; !strings.Contains(body, want) || strings.Contains(body, "Old") {
				b.t.Errorf("written: %s, want %s and nothing old", body, want)
			}
		}
	})
}
