package calls

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

// only fails the test unless one step was answered with that reason.
func (b *bench) refuses(results []Result, want events.Reason) {
	b.t.Helper()
	var invalid *Invalid
	var closed *Closed
	switch {
	case errors.As(results[0].Err, &invalid) && invalid.Reason == want, errors.As(results[0].Err, &closed) && closed.Reason == want:
	default:
		b.t.Errorf("answered %v, want %s", results[0].Err, want)
	}
}

func ann() events.Contact {
	return events.Contact{Email: "Ann@Example.com", FirstName: "Ann", Phone: "+1 555"}
}

func TestContactIsWrittenOnceAndRemembered(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		write := func(c events.Contact) Result {
			b.t.Helper()
			r := b.Do(b.t.Context(), ask(events.Normal, "ann", "", contact(c)))
			b.fine(r)
			return r[0]
		}
		if r := write(ann()); !r.Created || r.Contact != "101" || r.Skipped || r.Calls != 1 || r.Status != 200 {
			b.t.Errorf("first: %+v", r)
		}
		if r := write(ann()); r.Created || r.Contact != "101" || !r.Skipped || r.Calls != 0 {
			b.t.Errorf("the same again: %+v", r)
		}
		changed := ann()
		changed.LastName = "Lee"
		if r := write(changed); r.Created || r.Skipped {
			b.t.Errorf("changed: %+v", r)
		}
		if err := Changed(b.t.Context(), b.c.Memory, "g", "default", "101", time.Now().Add(time.Minute)); err != nil {
			b.t.Fatal(err)
		}
		if r := write(changed); r.Skipped {
			b.t.Error("somebody changed the contact in Keap, and the write was skipped")
		}
		if err := Changed(b.t.Context(), b.c.Memory, "g", "default", "101", time.Now()); err != nil {
			b.t.Fatal(err)
		}
		if r := write(changed); !r.Skipped {
			b.t.Error("the hook about our own write made us write again")
		}
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "", goal("x")))) // the id is remembered
		b.expect("upsert", "upsert", "upsert", "goal")
	})
}

func TestUpdatesOfOneContactMergeByTime(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		older, newer := ask(events.Bulk, "ann", "", contact(events.Contact{Email: "ann@example.com", FirstName: "Old", Phone: "1"})),
			ask(events.Bulk, "ann", "", contact(events.Contact{Email: "ann@example.com", FirstName: "New", LastName: "Lee"}))
		older.Time = newer.Time.Add(-time.Hour)
		results := b.all(ask(events.Bulk, "x", "7", goal("first")), newer, older)[1:] // the second is taken: the two meet
		b.fine(results...)
		if results[0][0].Contact != results[1][0].Contact || results[0][0].Created == results[1][0].Created {
			b.t.Errorf("%+v and %+v", results[0][0], results[1][0])
		}
		b.expect("goal", "upsert")
		body := b.far.calls[1].Body
		for _, want := range []string{`"given_name":"New"`, `"family_name":"Lee"`, `"number":"1"`} {
			if !strings.Contains(body, want) {
				b.t.Errorf("%s is missing in %s", want, body)
			}
		}
	})
}

func TestUnknownContactIsLookedUp(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.refuses(b.Do(b.t.Context(), ask(events.Normal, "nobody", "", goal("x"))), events.ContactUnknown)
		b.far.contacts["ann@example.com"] = "55"
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "", tag("1"), tag("2"))))
		b.expect("find", "find", "row 55 [1 2]")
	})
}

// TestMergedContactIsFollowed: an id that Keap does not know any more is looked up by address, and the step done there.
func TestMergedContactIsFollowed(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.contacts["ann@example.com"] = "55"
		b.far.answer = func(c keapCall) (int, string) {
			switch {
			case c.Name == "goal" && strings.Contains(c.Body, `"contact_id":7`), c.Name == "row 7":
				return 404, `{"message":"no such contact"}`
			case c.Name == "column 3" && c.Subjects[0] == "7":
				return 200, `{"results":{"7":"CONTACT_NOT_FOUND"}}`
			}
			return 200, ""
		}
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", goal("x"))))
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", tag("1"), tag("2"))))
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", tag("3"))))
		b.expect("goal", "find", "goal", "row 7 [1 2]", "find", "row 55 [1 2]", "column 3 [7]", "find", "column 3 [55]")
	})
}

// TestTagThatWasDeletedIsMadeAgain: the list of tags is believed for hours; a tag that is gone is found out by the call.
func TestTagThatWasDeletedIsMadeAgain(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.tags["Customer"] = "9"
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", tag("Customer"))))
		delete(b.far.tags, "Customer")
		b.far.answer = func(c keapCall) (int, string) {
			if c.Name == "column 9" {
				return 404, `{"message":"no such tag"}`
			}
			return 200, ""
		}
		time.Sleep(time.Hour)
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "bob", "8", tag("Customer"))))
		b.expect("tags", "column 9 [7]", "column 9 [8]", "tags", "make tag", "column 101 [8]")
		b.refuses(b.Do(b.t.Context(), ask(events.Normal, "bob", "8", tag("9"))), events.TagUnknown)
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "bob", "8", untag("9"))))
	})
}

func TestTagPolicy(t *testing.T) {
	literal, made := tag("Customer"), tag("Bought HOODIE")
	made.Literal = false
	for _, test := range []struct {
		policy       TagPolicy
		step         events.Step
		known, makes bool
	}{
		{TagPolicy{}, literal, true, false},
		{TagPolicy{}, literal, false, true},
		{TagPolicy{}, made, false, false},
		{TagPolicy{Create: "literal"}, made, false, false},
		{TagPolicy{Create: "none"}, literal, false, false},
		{TagPolicy{Create: "any"}, made, false, true},
		{TagPolicy{Create: "any", PerDay: -1}, made, false, false},
	} {
		inBubble(t, plenty, func(b *bench) {
			b.account.Tags = test.policy
			if test.known {
				b.far.tags[strings.ToUpper(test.step.Target)] = "9"
			}
			r := b.Do(b.t.Context(), ask(events.Normal, "ann", "7", test.step))
			switch {
			case test.known:
				b.fine(r)
				b.expect("tags", "column 9 [7]")
			case test.makes:
				b.fine(r)
				b.expect("tags", "make tag", "column 101 [7]")
			default:
				b.refuses(r, events.TagUnknown)
			}
		})
	}
}

// TestTagsAreAskedForOnce: a thousand events that need the list of tags read it once.
func TestTagsAreAskedForOnce(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.tags["Customer"] = "9"
		b.fine(b.all(crowd(columnCap, tag("customer"), untag("Gone"))...)...)
		b.expect(append([]string{"tags"}, b.far.log()[1:]...)...)
		for _, name := range b.far.log()[1:] {
			if !strings.HasPrefix(name, "column 9") && name != "tags" {
				b.t.Errorf("call %s", name)
			}
		}
	})
}

func TestUnsafeStepsAreIntendedFirst(t *testing.T) {
	for _, step := range []events.Step{goal("x"), {Do: events.DoNote, Note: &events.NoteStep{Title: "t"}}, {Do: events.DoEmail, Target: "77", Email: &events.EmailStep{}},
		{Do: events.DoSequence, Target: "12/3", Sequence: &events.SequenceStep{Automation: "12", Sequence: "3"}}} {
		inBubble(t, plenty, func(b *bench) {
			a := ask(events.Normal, "ann", "7", step)
			intended := 0
			a.Intend = func(_ context.Context, steps []events.Step) error {
				if len(b.far.log()) > 0 || len(steps) != 1 || steps[0].ID != step.ID && steps[0].Do != step.Do {
					b.t.Errorf("intended %v after %v", steps, b.far.log())
				}
				intended++
				return nil
			}
			b.fine(b.Do(b.t.Context(), a))
			if intended != 1 {
				b.t.Errorf("%s: intended %d times", step.Do, intended)
			}
			a.Intend = func(context.Context, []events.Step) error { return errors.New("disk full") }
			if r := b.Do(b.t.Context(), a); r[0].Err == nil || r[0].Sent || len(b.far.log()) != 1 {
				b.t.Errorf("%s: sent without its intention: %+v", step.Do, r[0])
			}
		})
	}
}

func TestLostAnswerSaysSent(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.answer = func(keapCall) (int, string) { return 0, "lost" }
		r := b.Do(b.t.Context(), ask(events.Normal, "ann", "7", goal("x")))[0]
		if !r.Sent || keap.KindOf(r.Err) != keap.KindReset || r.Calls != 1 {
			b.t.Errorf("%+v", r)
		}
	})
}

func TestRefusedForQuotaIsTriedAgain(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		refusals := 2
		b.far.answer = func(c keapCall) (int, string) {
			if refusals > 0 {
				refusals--
				return 429, `{"code":"429","message":"Quota Exceeded"}`
			}
			return 200, ""
		}
		b.fine(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", goal("x"))))
		if took := time.Since(b.far.calls[0].At); took < time.Minute || len(b.far.log()) != 3 {
			b.t.Errorf("done after %s with %v", took, b.far.log())
		}
	})
}

func TestRefusedCredentialPausesTheAccount(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		b.far.answer = func(keapCall) (int, string) { return 401, `{"fault":{"faultstring":"Invalid access token"}}` }
		b.refuses(b.Do(b.t.Context(), ask(events.Normal, "ann", "7", goal("x"))), events.Unauthorized)
		calls := len(b.far.log())
		b.refuses(b.Do(b.t.Context(), ask(events.Urgent, "bob", "8", goal("x"))), events.Unauthorized)
		if n := len(b.far.log()); n != calls {
			b.t.Errorf("%d calls with a refused credential", n-calls)
		}
		if paused := b.Status().Paused["default"]; paused.Reason != events.Unauthorized {
			b.t.Errorf("status says %+v", paused)
		}
		time.Sleep(credentialPause)
		b.far.answer = nil
		b.fine(b.Do(b.t.Context(), ask(events.Urgent, "bob", "8", goal("x"))))
	})
}

func TestStopGivesEventsBack(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		var results []chan []Result
		for i := range 20 {
			done := make(chan []Result, 1)
			results = append(results, done)
			go func() { done <- b.Do(b.t.Context(), ask(events.Urgent, fmt.Sprint(i), fmt.Sprint(i+1), goal("x"))) }()
		}
		synctest.Wait()
		if err := b.Close(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		done := 0
		for _, r := range results {
			switch err := (<-r)[0].Err; {
			case err == nil:
				done++
			case !errors.Is(err, context.Canceled):
				b.t.Errorf("given back with %v", err)
			}
		}
		if done != len(b.far.log()) || done == 0 {
			b.t.Errorf("%d done, %d calls", done, len(b.far.log()))
		}
	})
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	inBubble(t, plenty, func(b *bench) {
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
		defer cancel()
		r := b.Do(ctx, ask(events.Bulk, "ann", "7", tag("1"))) // would linger longer
		if !errors.Is(r[0].Err, context.DeadlineExceeded) || len(b.far.log()) != 0 {
			b.t.Errorf("%v, %v", r[0].Err, b.far.log())
		}
		if s := b.Status().Steps; s != [3]int{} {
			b.t.Errorf("%v steps are left behind", s)
		}
	})
}

// TestOnlyItsOwnRequestIsInDoubt: a goal that was not written, or that Keap refused, is in no doubt, whatever became of
// the look-up before it and of the process.
func TestOnlyItsOwnRequestIsInDoubt(t *testing.T) {
	for name, tc := range map[string]struct {
		id     string
		answer func(c keapCall, stop func()) (int, string)
	}{
		"the look-up fails": {"", func(keapCall, func()) (int, string) { return 502, "bad gateway" }},
		"a stop after the look-up": {"", func(c keapCall, stop func()) (int, string) {
			stop()
			return 200, ""
		}},
		"a stop after a refusal": {"7", func(c keapCall, stop func()) (int, string) {
			stop()
			return 429, `{"code":"429","message":"Quota Exceeded"}`
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, plenty, func(b *bench) {
				ctx, stop := context.WithCancel(b.t.Context())
				b.far.contacts["ann@example.com"] = "7"
				b.far.answer = func(c keapCall) (int, string) { return tc.answer(c, stop) }
				r := b.Do(ctx, ask(events.Normal, "ann", tc.id, goal("x")))[0]
				if r.Err == nil || r.Sent {
					t.Errorf("%v: %+v", b.far.log(), r)
				}
			})
		})
	}
}
