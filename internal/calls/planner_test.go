package calls

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"bridge/internal/events"
	"bridge/internal/keap"
	"bridge/internal/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// expect compares the calls that the far end saw.
func (b *bench) expect(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.far.log()); diff != "" {
		b.t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestTagsOfOneEventAreOneCall(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		results := b.all(ask(events.Urgent, "a", "7", tag("1"), tag("2"), tag("3"), untag("4")))
		b.fine(results...)
		b.expect("row 7 [1 2 3]", "uncolumn 4 [7]")
	})
}

func TestNothingWaitsWithPermitsToSpare(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		begun := time.Now()
		b.fine(b.all(ask(events.Normal, "a", "7", tag("1"), tag("2")))...)
		if took := time.Since(begun); took > b.far.latency+5*time.Millisecond {
			b.t.Errorf("took %s, the call itself %s", took, b.far.latency)
		}
	})
}

// crowd asks for the same tag on n contacts of bulk work.
func crowd(n int, steps ...events.Step) []Ask {
	var asks []Ask
	for i := range n {
		asks = append(asks, ask(events.Bulk, fmt.Sprintf("c%d", i), fmt.Sprint(1000+i), append([]events.Step{}, steps...)...))
	}
	return asks
}

func TestOneTagOnManyContactsIsOneCall(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.fine(b.all(crowd(150, tag("3"))...)...)
		if calls := b.far.log(); len(calls) != 1 {
			b.t.Errorf("%d calls for one column", len(calls))
		}
		if took := time.Since(b.far.calls[0].At); took < b.far.latency || took > time.Second {
			b.t.Errorf("answered %s after the call", took)
		}
	})
}

func TestFullColumnDoesNotLinger(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		begun := time.Now()
		b.fine(b.all(crowd(columnCap, tag("3"))...)...)
		if took := time.Since(begun); took > time.Second {
			b.t.Errorf("a full column waited %s", took)
		}
	})
}

func TestOneBadContactFailsOneStep(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.answer = func(c keapCall) (int, string) {
			if c.Name == "find" {
				return 200, `{"contacts":[]}`
			}
			if c.Name != "column 3" {
				return 200, ""
			}
			return 200, `{"results":{"1000":"SUCCESS","1001":"CONTACT_NOT_FOUND","1002":"DUPLICATE"}}`
		}
		results := b.all(crowd(3, tag("3"))...)
		b.fine(results[0], results[2])
		var invalid *Invalid
		if !errors.As(results[1][0].Err, &invalid) || invalid.Reason != events.ContactUnknown {
			b.t.Errorf("the bad one: %v", results[1][0].Err)
		}
	})
}

func TestRefusedBatchIsSplitUntilTheBadItemStandsAlone(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.answer = func(c keapCall) (int, string) {
			for _, s := range c.Subjects {
				if s == "1005" {
					return 400, `{"message":"contact 1005 is broken"}`
				}
			}
			return 200, ""
		}
		results := b.all(crowd(16, tag("3"))...)
		for i, r := range results {
			switch {
			case i != 5 && r[0].Err != nil:
				b.t.Errorf("contact %d: %v", i, r[0].Err)
			case i == 5 && keap.KindOf(r[0].Err) != keap.KindRefused:
				b.t.Errorf("the bad contact: %v", r[0].Err)
			}
		}
		if n := len(b.far.log()); n != 9 {
			b.t.Errorf("%d calls to find one of 16, want 9", n)
		}
	})
}

// TestBatchThatIsWrongAsAWholeIsGivenUp: a column that no part of goes through does not cost a call for each contact.
func TestBatchThatIsWrongAsAWholeIsGivenUp(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.answer = func(c keapCall) (int, string) { return 400, `{"message":"no"}` }
		for i, r := range b.all(crowd(columnCap, tag("3"))...) {
			if keap.KindOf(r[0].Err) != keap.KindRefused {
				b.t.Errorf("contact %d: %v", i, r[0].Err)
			}
		}
		if n := len(b.far.log()); n > 12 {
			b.t.Errorf("%d calls", n)
		}
	})
}

func TestBatchIsConfigured(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.account.Batch = 40
		b.fine(b.all(crowd(100, tag("3"))...)...)
		var sizes []int
		for _, c := range b.far.calls {
			sizes = append(sizes, len(c.Subjects))
		}
		if diff := cmp.Diff([]int{40, 40, 20}, sizes); diff != "" {
			b.t.Errorf("contacts a call (-want +got):\n%s", diff)
		}
	})
}

func TestSizeThatKeapRefusesIsHalved(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		most := 0
		b.far.answer = func(c keapCall) (int, string) {
			if len(c.Subjects) > 60 {
				return 400, `{"message":"too many ids"}`
			}
			most = max(most, len(c.Subjects))
			return 200, ""
		}
		b.fine(b.all(crowd(columnCap, tag("3"))...)...)
		before := len(b.far.log())
		b.fine(b.all(crowd(columnCap, tag("3"))...)...)
		if again := len(b.far.log()) - before; again != 4 || most != 50 {
			b.t.Errorf("%d calls of at most %d the second time, want 4 of 50", again, most)
		}
	})
}

func TestUrgentFlushesWhatItsContactWaitsFor(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		bulk := make(chan []Result, 1)
		go func() { bulk <- b.Do(b.t.Context(), ask(events.Bulk, "a", "7", tag("1"))) }()
		synctest.Wait()
		begun := time.Now()
		b.fine(b.all(ask(events.Urgent, "a", "7", goal("bought")))...)
		b.fine(<-bulk)
		if took := time.Since(begun); took > time.Second {
			b.t.Errorf("urgent work waited %s for its contact's lingering tag", took)
		}
		b.expect("column 1 [7]", "goal")
	})
}

// TestHurryHoldsForTheStepsThatFollow: an event that is hurried while its contact is being written does not wait with
// its tags afterwards; once the urgent event has come, nobody of that contact is hurried any more.
func TestHurryHoldsForTheStepsThatFollow(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.Hurry("hash-a")
		begun := time.Now()
		b.fine(b.Do(b.t.Context(), ask(events.Bulk, "a", "7", tag("1"))))
		b.fine(b.Do(b.t.Context(), ask(events.Bulk, "a", "7", tag("2"))))
		if took := time.Since(begun); took > time.Second {
			b.t.Errorf("hurried tags waited %s", took)
		}
		b.fine(b.Do(b.t.Context(), ask(events.Urgent, "a", "7", goal("bought"))))
		begun = time.Now()
		b.fine(b.Do(b.t.Context(), ask(events.Bulk, "a", "7", tag("3"))))
		if took := time.Since(begun); took < bulkLinger {
			b.t.Errorf("a later tag waited %s only", took)
		}
	})
}

func TestApplyAndRemoveOfOneTagAreBothSentInOrder(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.fine(b.all(ask(events.Normal, "a", "7", tag("1")), ask(events.Normal, "a", "7", untag("1")), ask(events.Normal, "a", "7", tag("1")))...)
		b.expect("column 1 [7]", "uncolumn 1 [7]", "column 1 [7]")
	})
}

func TestIdenticalTagsMerge(t *testing.T) {
	inBubble(t, quota.Limits{Second: 10, Minute: 240, Day: 30000}, func(b *bench) {
		b.fine(b.all(ask(events.Bulk, "a", "7", tag("1")), ask(events.Bulk, "a", "7", tag("1")))...)
		b.expect("column 1 [7]")
	})
}

func TestUrgentOvertakesBulk(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		for i := range 1000 {
			go b.Do(b.t.Context(), ask(events.Bulk, fmt.Sprintf("c%d", i), "", contact(events.Contact{Email: fmt.Sprintf("c%d@example.com", i)})))
		}
		time.Sleep(90 * time.Second) // the minute is in use
		for i := range 20 {
			begun := time.Now()
			who := fmt.Sprintf("u%d", i)
			b.fine(b.Do(b.t.Context(), ask(events.Urgent, who, "", contact(events.Contact{Email: who + "@example.com"}))))
			b.fine(b.Do(b.t.Context(), ask(events.Urgent, who, "", tag("1"), tag("2"))))
			b.fine(b.Do(b.t.Context(), ask(events.Urgent, who, "", goal("bought"))))
			if took := time.Since(begun); took > 1500*time.Millisecond {
				b.t.Errorf("urgent event %d took %s", i, took)
			}
			time.Sleep(2 * time.Second)
		}
	})
}

func TestClosedDayGivesEventsBack(t *testing.T) {
	inBubble(t, quota.Limits{Second: 10, Minute: 240, Day: 3}, func(b *bench) {
		var asks []Ask
		for i := range 5 {
			asks = append(asks, ask(events.Urgent, fmt.Sprintf("c%d", i), fmt.Sprint(i+1), goal("bought")))
		}
		midnight := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
		done := 0
		for _, r := range b.all(asks...) {
			var closed *Closed
			switch {
			case r[0].Err == nil:
				done++
			case !errors.As(r[0].Err, &closed) || closed.Reason != events.QuotaDay || closed.Until.Before(midnight) || closed.Until.After(midnight.Add(5*time.Second)):
				b.t.Errorf("given back with %v", r[0].Err)
			}
		}
		if done != 3 {
			b.t.Errorf("%d done of 3", done)
		}
	})
}
