package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"bridge/internal/events"
)

// FuzzList asks for pages by any cursor and any filter: a page or ErrCursor comes of it, and pages have an end.
func FuzzList(f *testing.F) {
	ix, log := newFollowed(f)
	for n := range 20 {
		log.event(order(n, "a", "shop", "ada@example.com"), events.Normal)
	}
	caughtUp(f, ix, log)
	f.Add("before-z", "", "W-17", "failed", "", 3)
	f.Add("before-1y2p0ij32e8e7", "a' OR 1=1 --", "%", "done\x00", "ADA@example.com", -1)
	f.Add("after-1", "\xff", "bob@example.com", "", "+1 555 0100", 1<<31)
	f.Fuzz(func(t *testing.T, cursor, account, q, state, contact string, limit int) {
		filter := events.Filter{Account: account, Q: q, State: events.State(state), Contact: contact, Job: q, Message: state}
		for range 50 {
			page, err := ix.List(t.Context(), filter, limit, cursor)
			if errors.Is(err, events.ErrCursor) && cursor != "" {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if cursor = page.Next; cursor == "" {
				return
			}
		}
		t.Fatal("pages without end")
	})
}

// TestListLikeScan holds that every filter and page size gives what a plain scan of the events gives.
func TestListLikeScan(t *testing.T) {
	ix, log := newFollowed(t)
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	type kept struct {
		e       events.Event
		state   events.State
		reason  events.Reason
		message string
	}
	var all []kept
	for n := range 400 {
		e := order(n, pick("a", "b", "c"), pick("shop", "forms"), pick("ada@example.com", "bob@example.com", ""))
		e.Type = pick("order.paid", "order.created", "lead.submitted")
		log.event(e, events.Priority(rng.IntN(3)))
		k := kept{e: e, state: events.Waiting}
		switch rng.IntN(8) {
		case 0:
			k.state, k.reason, k.message = events.Failed, events.TagUnknown, "tag … is unknown"
			o := state(e, e.Received.Add(time.Hour), k.state, k.reason)
			o.Detail = fmt.Sprintf("tag %q is unknown", pick("A", "B"))
			log.outcome(o)
		case 1:
			k.state, k.reason = events.Parked, events.QuotaDay
			log.outcome(state(e, e.Received.Add(time.Hour), k.state, k.reason))
		case 2, 3, 4:
			k.state = events.Done
			log.outcome(state(e, e.Received.Add(time.Hour), k.state, k.reason))
		}
		all = append(all, k)
	}
	caughtUp(t, ix, log)

	rapid.Check(t, func(rt *rapid.T) {
		maybe := func(name string, of ...string) string { return rapid.SampledFrom(append(of, "", "")).Draw(rt, name) }
		f := events.Filter{
			Account: maybe("account", "a", "b", "nobody"),
			Source:  maybe("source", "shop", "forms"),
			Type:    maybe("type", "order.paid", "lead.submitted"),
			State:   events.State(maybe("state", "failed", "parked", "done", "waiting")),
			Reason:  events.Reason(maybe("reason", "tag.unknown", "quota.day")),
			Message: maybe("message", "tag … is unknown"),
			Contact: maybe("contact", "ADA@example.com", "carol@example.com"),
			Q:       maybe("q", "W-17", "#W-18", "bob@example.com", all[5].e.ID, all[6].e.Key()),
		}
		if rapid.Bool().Draw(rt, "since?") {
			f.Since = day.Add(time.Duration(rapid.IntRange(-5, 410).Draw(rt, "since")) * time.Second)
		}
		if rapid.Bool().Draw(rt, "until?") {
			f.Until = day.Add(time.Duration(rapid.IntRange(-5, 410).Draw(rt, "until")) * time.Second)
		}
		var want []string
		for i := len(all) - 1; i >= 0; i-- {
			k := all[i]
			fits := func(have, want string) bool { return want == "" || have == want }
			email := k.e.Data.Contact.Email
			byQ := f.Q == "" || f.Q == k.e.ID || f.Q == k.e.Key() || f.Q == email || f.Q == k.e.Data.Order.Number || f.Q == "#"+k.e.Data.Order.Number
			if fits(k.e.Account, f.Account) && fits(k.e.Source, f.Source) && fits(k.e.Type, f.Type) &&
				fits(string(k.state), string(f.State)) && fits(string(k.reason), string(f.Reason)) && fits(k.message, f.Message) &&
				fits(email, events.NormalEmail(f.Contact)) && byQ &&
				(f.Since.IsZero() || !k.e.Received.Before(f.Since)) && (f.Until.IsZero() || k.e.Received.Before(f.Until)) {
				want = append(want, k.e.ID)
			}
		}
		limit := rapid.SampledFrom([]int{1, 7, 50, 500}).Draw(rt, "limit")
		if limit == 1 && len(want) > 60 {
			limit = 50
		}
		var got []string
		for cursor := ""; ; {
			p, err := ix.List(t.Context(), f, limit, cursor)
			if err != nil {
				rt.Fatal(err)
			}
			if len(p.Rows) > limit {
				rt.Fatalf("a page of %d rows, limit %d", len(p.Rows), limit)
			}
			got = append(got, ids(p)...)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%+v (-want +got):\n%s", f, diff)
		}
	})

	tallies, err := ix.Tallies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[events.State]int{}, map[events.State]int{}
	for _, k := range all {
		want[k.state]++
	}
	for _, y := range tallies {
		got[y.State] += y.Events
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tallies (-want +got):\n%s", diff)
	}
}

func TestListCursor(t *testing.T) {
	ix := open(t, t.TempDir()+"/history.db")
	for _, cursor := range []string{"-", "-1", "0", "1; DROP TABLE event", "zzzzzzzzzzzzzzzzzzzz"} {
		if _, err := ix.List(t.Context(), events.Filter{}, 10, cursor); !errors.Is(err, events.ErrCursor) {
			t.Errorf("cursor %q: %v, want ErrCursor", cursor, err)
		}
	}
}

// TestFailureGroups holds that messages of one kind come together and that a group's filter finds its events.
func TestFailureGroups(t *testing.T) {
	ix, log := newFollowed(t)
	for n := range 30 {
		e := order(n, "default", "shop", fmt.Sprintf("p%d@example.com", n))
		log.event(e, events.Normal)
		o := state(e, day.Add(time.Hour), events.Failed, events.TagUnknown)
		o.Detail = fmt.Sprintf("tag %q does not exist (request 9f8e7d6c5b%02d)", fmt.Sprint("T", n), n)
		switch {
		case n >= 28:
			o.State, o.Reason, o.Detail = events.InDoubt, events.UnknownOutcome, ""
		case n >= 20:
			o.Reason, o.Detail = events.FieldInvalid, fmt.Sprintf("p%d@example.com is no address", n)
		}
		log.outcome(o)
	}
	caughtUp(t, ix, log)
	groups, err := ix.FailureGroups(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		State   events.State
		Message string
		Events  int
		Sample  string
	}
	var got []line
	for _, g := range groups {
		got = append(got, line{g.State, g.Message, g.Events, g.Sample.ID})
		p, err := ix.List(t.Context(), events.Filter{State: g.State, Reason: g.Reason, Message: g.Message}, 100, "")
		if err != nil || len(p.Rows) != g.Events {
			t.Errorf("filter of %q finds %d of %d, %v", g.Message, len(p.Rows), g.Events, err)
		}
	}
	if diff := cmp.Diff([]line{
		{events.Failed, "tag … does not exist (request …)", 20, "shop:order.paid:19"},
		{events.Failed, "… is no address", 8, "shop:order.paid:27"},
		{events.InDoubt, noMessage, 2, "shop:order.paid:29"},
	}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}
