package calls

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
)

// TestColdStartEndsWhatIsBegun: after a start without any memory, urgent events need the custom fields and the tags of
// the account. The look-ups go before the contacts of those behind, so that the first events end while the last ones wait.
func TestColdStartEndsWhatIsBegun(t *testing.T) {
	const many = 40
	inBubble(t, plenty, func(b *bench) {
		b.far.tags["Customer"], b.far.tags["Bought A"] = "31", "32"
		begun := time.Now()
		took := make([]time.Duration, many)
		var doing sync.WaitGroup
		for i := range many {
			doing.Go(func() {
				who := fmt.Sprintf("u%d", i)
				write := contact(events.Contact{Email: who + "@example.com"})
				write.Contact.Fields = map[string]string{"Last order": "7"}
				b.fine(b.Do(b.t.Context(), ask(events.Urgent, who, "", write)))
				b.fine(b.Do(b.t.Context(), ask(events.Urgent, who, "", tag("Customer"), tag("Bought A"))))
				b.fine(b.Do(b.t.Context(), ask(events.Urgent, who, "", goal("bought"))))
				took[i] = time.Since(begun)
			})
			synctest.Wait()
		}
		doing.Wait()
		if log := b.far.log(); len(log) != 2+3*many {
			b.t.Errorf("%d calls, want one for the fields, one for the tags and three each", len(log))
		}
		sooner := 0
		for _, d := range took {
			if d < took[many-1]/2+2*time.Second {
				sooner++
			}
		}
		if took[0] > 4*time.Second || sooner < many/2 {
			b.t.Errorf("the first event took %s; half of the time saw %d of %d end; the last one took %s", took[0], sooner, many, took[many-1])
		}
	})
}

// TestUrgentWorkHurriesTheErrandItWaitsFor: bulk work that is finding out what tags there are does not hold up an
// urgent event that needs to know it too.
func TestUrgentWorkHurriesTheErrandItWaitsFor(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.tags["Customer"] = "31"
		var doing sync.WaitGroup
		do := func(a Ask) {
			doing.Go(func() { b.fine(b.Do(b.t.Context(), a)) })
			synctest.Wait()
		}
		for i := range 100 {
			do(ask(events.Normal, fmt.Sprintf("n%d", i), fmt.Sprint(1000+i), goal("x")))
		}
		do(ask(events.Bulk, "bulk", "7", tag("Customer")))
		begun := time.Now()
		b.fine(b.Do(b.t.Context(), ask(events.Urgent, "urgent", "8", tag("Customer"))))
		if took := time.Since(begun); took > 1500*time.Millisecond {
			b.t.Errorf("urgent work waited %s for what bulk work was to look up", took)
		}
		doing.Wait()
	})
}
