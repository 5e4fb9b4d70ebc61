package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bridge/internal/events"
)

// zoe is somebody who wants to be forgotten. No part of it may be part of anything else.
var zoe = events.Contact{
	Email: "zoe.quux@example.com", FirstName: "Zoekiah", LastName: "Quuxbury", Phone: "+49 1512 3456789", Company: "Quuxworks",
	Address: &events.Address{Line1: "Plover Alley 77"},
}

// traces lists what of zoe stands in a file below dir, in no matter which. Nothing in the tests is long enough that a
// compressed block breaks a name, and names come first in it: what repeats would be a reference.
func traces(t *testing.T, dir string) (found []string) {
	t.Helper()
	for _, text := range []string{zoe.Email, zoe.FirstName, zoe.LastName, "3456789", "491512", zoe.Company, zoe.Address.Line1} {
		for _, path := range holds(t, dir, strings.ToLower(text)) {
			found = append(found, fmt.Sprintf("%q in %s", text, path))
		}
	}
	return found
}

// talker plans steps that are full of the person, and says what Keap said of her.
func talker(q *Queue, broken *atomic.Bool) func(events.Delivery) (events.Verdict, bool) {
	return func(d events.Delivery) (events.Verdict, bool) {
		ctx, key := context.Background(), d.Event.Key()
		c := d.Event.Data.Contact
		plan := events.Plan{Rules: []string{"r"}, Who: events.Person{Email: c.Email, Phone: c.Phone}, Steps: []events.Step{
			{ID: "r/contact:#1", Do: events.DoContact, Contact: &events.ContactStep{Contact: *c}},
			{ID: "r/note:#1", Do: events.DoNote, Note: &events.NoteStep{Title: "Call " + c.FirstName, Body: c.Phone}},
		}}
		said := fmt.Sprintf("Keap: %s (%s %s, %s) is not allowed", c.Email, c.FirstName, c.LastName, c.Phone)
		marks := events.Marks{Job: d.Replay, Steps: map[string]events.Mark{
			"r/contact:#1": {State: events.StepFailed, Attempts: []events.StepAttempt{{Detail: said}}},
		}}
		save := func() error {
			for range 3 { // each is a version that stays on disk
				if err := q.SavePlan(ctx, d.Event.Account, key, plan); err != nil {
					return err
				}
				if err := q.SaveMarks(ctx, d.Event.Account, key, marks); err != nil {
					return err
				}
			}
			return nil
		}
		if err := save(); err != nil {
			return events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait, Detail: err.Error()}, true
		}
		q.RecordLater(events.Outcome{Kind: events.OutcomeCall, Account: d.Event.Account, Call: &events.CallReport{
			Operation: "contacts.upsert", Error: "no such address: " + c.Email, Served: []events.Served{{Key: key, Step: "r/contact:#1"}},
			Exchange: &events.Exchange{At: time.Now(), Keys: []string{key}, Sent: events.Excerpt{Text: said}},
		}})
		report := []events.StepReport{{ID: "r/contact:#1", State: events.StepFailed, Attempts: []events.StepAttempt{{Detail: said}}}}
		if broken.Load() {
			return events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected, Detail: said, Steps: report}, true
		}
		for _, step := range plan.Steps {
			marks.Steps[step.ID] = events.Mark{State: events.StepDone}
		}
		if err := save(); err != nil {
			return events.Verdict{Kind: events.VerdictSnooze, Reason: events.RetryWait, Detail: err.Error()}, true
		}
		return events.Verdict{Kind: events.VerdictDone, Steps: report}, true
	}
}

// TestNothingIsLeftOnDisk: after an erasure no file of the data directory names the person, whatever became of her events
// before: done, failed twice and replayed, never routed, unreadable, discarded.
func TestNothingIsLeftOnDisk(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var broken atomic.Bool
	broken.Store(true)
	b := &bench{Queue: openQueue(t, testOptions(t)), front: &testFront{}}
	b.groups = &testGroups{decide: talker(b.Queue, &broken)}
	b.start(t)
	of := func(id, account string) events.Event {
		e := event(id, zoe.Email)
		e.Account, e.Data.Contact = account, &zoe
		return e
	}
	again, stays, lost, dropped := of("again", "default"), of("stays", "default"), of("lost", "unknown"), of("dropped", "unknown")
	other := event("other", "other@example.com")
	other.Data.Contact.FirstName = "Somebody"
	accept(t, b.Queue, again, stays, lost, dropped, other)
	if _, err := b.js.Publish(ctx, "ingest.default.crm", []byte(`no event, but from `+zoe.Email+` `+zoe.Phone+` `+zoe.LastName)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all have failed", func() bool { return len(b.slots(t)) == 6 })
	replay := func(e *events.Event, seq uint64, job string) {
		t.Helper()
		if ok, err := b.Replay(ctx, e.Account, e.Key(), seq, job); !ok || err != nil {
			t.Fatalf("replay: %v, %v", ok, err)
		}
	}
	replay(&again, 1, "j1")
	eventually(t, "failed again", func() bool { return len(b.index.states(again.Key())) == 3 && len(b.slots(t)) == 6 })
	broken.Store(false)
	replay(&again, 1, "j2")
	b.front.configure("unknown")
	replay(&lost, 0, "j3")
	if ok, err := b.Discard(ctx, "unknown", dropped.Key(), 0, "j4"); !ok || err != nil {
		t.Fatalf("discard: %v, %v", ok, err)
	}
	eventually(t, "replays are done", func() bool { return b.index.last(again.Key()) == "done" && b.index.last(lost.Key()) == "done" })
	eventually(t, "let go", func() bool { return !b.memory.inHand(again.Key()) && !b.memory.inHand(lost.Key()) })
	if err := b.exchanges.flush(ctx); err != nil {
		t.Fatal(err)
	}
	if before := traces(t, b.opt.DataDir); len(before) < 7 {
		t.Fatalf("the test looks in the wrong place: %v", before)
	}
	journal, _, err := b.memory.load(ctx, journalKey(stays.Key()))
	if err != nil || len(journal) == 0 || json.Valid(journal) {
		t.Errorf("a journal is stored as it is: %q, %v", journal, err)
	}
	var rows []events.Row
	for _, e := range []events.Event{again, stays, lost} {
		seq := b.index.seq(e.Key())
		if seq == 0 {
			t.Fatalf("%s is not in the log", e.ID)
		}
		rows = append(rows, events.Row{Key: e.Key(), Account: e.Account, Seq: seq})
	}
	if _, err := b.Erase(ctx, zoe.Email, rows); err != nil {
		t.Fatal(err)
	}
	if left := traces(t, b.opt.DataDir); len(left) > 0 {
		t.Errorf("left on disk:\n%s", strings.Join(left, "\n"))
	}
	if j, err := b.LoadJournal(ctx, "default", other.Key()); err != nil || j.Plan == nil || len(j.Plan.Rules) == 0 {
		t.Errorf("somebody else's journal: %+v, %v", j, err)
	}
	b = b.restart(t)
	if left := traces(t, b.opt.DataDir); len(left) > 0 {
		t.Errorf("after a restart:\n%s", strings.Join(left, "\n"))
	}
}

// TestOlderJournalIsReadable: what an earlier version stored as it is stays readable, and an entry without a key gets none.
func TestOlderJournalIsReadable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	q := openQueue(t, testOptions(t))
	key := events.KeyOf("default", "shop", "1")
	if _, err := q.memory.put(ctx, memoryMsg(journalKey(key), []byte(`{"plan":{"rules":["old"]},"marks":{"attempts":3}}`), 0)); err != nil {
		t.Fatal(err)
	}
	j, err := q.LoadJournal(ctx, "default", key)
	if err != nil || j.Plan == nil || j.Plan.Rules[0] != "old" || j.Marks.Attempts != 3 {
		t.Errorf("%+v, %v", j, err)
	}
	for _, header := range []string{"", "?", "AAAA"} {
		if s := parseSeal(1, header); s.key != nil {
			t.Errorf("header %q gives a key", header)
		}
	}
}

func TestSeal(t *testing.T) {
	a, b := parseSeal(7, newSeal()), parseSeal(7, newSeal())
	closed, err := a.close([]byte("zoe"))
	if err != nil || strings.Contains(string(closed), "zoe") {
		t.Fatalf("%q, %v", closed, err)
	}
	if plain, err := a.open(closed); string(plain) != "zoe" || err != nil {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := b.open(closed); err == nil {
		t.Error("another key opens it")
	}
	for n := range closed {
		if _, err := a.open(closed[:n]); err == nil {
			t.Errorf("cut at %d it opens", n)
		}
	}
}

func TestConceal(t *testing.T) {
	e := &events.Event{Data: events.Data{Contact: &zoe}}
	for text, want := range map[string]string{
		"":                                       "",
		"Keap has no tag 12 (see 1512)":          "Keap has no tag 12 (see 1512)",
		"no zoe.quux@EXAMPLE.com, sorry":         "no [e-mail], sorry",
		"GET /c?email=a%40b.com&x=1: 404":        "GET /c?email=[e-mail]&x=1: 404",
		`"Zoekiah Quuxbury" is too long`:         `"[hidden] [hidden]" is too long`,
		"zoekiahs at Quuxworks, PLOVER alley 77": "zoekiahs at [hidden], [hidden]",
		"+4915123456789 or +49 1512 3456789":     "[hidden] or [hidden]",
		"@ and a@ and @b":                        "@ and a@ and @b",
	} {
		if got := conceal(text, e); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := conceal("no Ad\xe9le here", &events.Event{Data: events.Data{Contact: &events.Contact{FirstName: "Ad\xe9le"}}}); got != "no [hidden] here" {
		t.Error(got)
	}
	if got := conceal("Al fell, all of it", &events.Event{Data: events.Data{Contact: &events.Contact{FirstName: "Al"}}}); got != "[hidden] fell, all of it" {
		t.Error(got)
	}
}

func FuzzConceal(f *testing.F) {
	f.Add("Keap: zoe@example.com", "Zoe")
	f.Fuzz(func(t *testing.T, text, name string) {
		got := conceal(text+" a.b@example.com ", &events.Event{Data: events.Data{Contact: &events.Contact{FirstName: name}}})
		if strings.Contains(got, "a.b@example.com") {
			t.Errorf("%q: %q", text, got)
		}
	})
}

// TestDataDirIsPrivate: what is on disk is for nobody else on the machine.
func TestDataDirIsPrivate(t *testing.T) {
	t.Parallel()
	opt := testOptions(t)
	openQueue(t, opt)
	info, err := os.Stat(filepath.Join(opt.DataDir, "jetstream"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
