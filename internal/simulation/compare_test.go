package simulation

import (
	"slices"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// smallDay is two purchases and two membership changes of one buyer, and a lead.
func smallDay() *Day {
	at := func(n int) time.Time { return time.Date(2026, 11, 27, 10, n, 0, 0, time.UTC) }
	bought := func(n int, version int, product int) Arrival {
		return Arrival{At: at(n), Kind: Purchase, Priority: events.Urgent, Version: version, Writes: true, Goals: 1, Apply: []Tag{{"customer", 1}, {"product", product}}}
	}
	member := func(n, on, off int) Arrival {
		return Arrival{At: at(n), Kind: Membership, Priority: events.Normal, Version: 1, Apply: []Tag{{"membership", on}}, Remove: []Tag{{"membership", off}}}
	}
	return &Day{Contacts: 2, Column: 200, Arrivals: []Arrival{
		bought(0, 0, 1), member(1, 1, 2), bought(2, 1, 2), member(3, 2, 1),
		{At: at(4), Kind: Lead, Priority: events.Normal, Contact: 1, Writes: true, Apply: []Tag{{"campaign", 1}}},
	}}
}

func TestExpectIsAPlainWalk(t *testing.T) {
	people := smallDay().Expect()
	p := people["buyer0@example.com"]
	if p.Name != "No 0-1" || len(p.Orders) != 2 || !slices.Equal(p.Orders[1].Tags, []string{"Customer", "product 2"}) {
		t.Errorf("buyer: %+v", p)
	}
	if !slices.Equal(p.Changes["membership 1"], []bool{true, false}) || !slices.Equal(p.Changes["membership 2"], []bool{false, true}) {
		t.Errorf("membership changes: %v", p.Changes)
	}
	if !slices.Equal(p.Changes["Customer"], []bool{true}) || p.Tags["membership 1"] || !p.Tags["product 1"] {
		t.Errorf("tags: %v", p.Tags)
	}
	if lead := people["buyer1@example.com"]; lead.Name != "No 1-0" || len(lead.Orders) != 0 {
		t.Errorf("lead: %+v", lead)
	}
}

// smallKeap is what smallDay leaves when all is well: contact 1 is the buyer, contact 2 the lead.
func smallKeap() crm {
	line := func(operation string, subjects ...string) sandbox.Line {
		return sandbox.Line{Operation: operation, Status: 200, Subjects: subjects}
	}
	return crm{
		tags: map[string]string{"1": "Customer", "2": "product 1", "3": "product 2", "4": "membership 1", "5": "membership 2", "6": "campaign 1"},
		people: []sandbox.Contact{
			{ID: "1", Email: "buyer0@example.com", FamilyName: "No 0-1", Tags: []string{"Customer", "product 1", "product 2", "membership 2"}},
			{ID: "2", Email: "buyer1@example.com", FamilyName: "No 1-0", Tags: []string{"campaign 1"}},
		},
		log: []sandbox.Line{
			line("contacts.upsert", "contact:1"), line("tags.apply", "contact:1", "tag:1", "tag:2"), line("goals.achieve", "contact:1"),
			line("tags.apply", "tag:4", "contact:1"), line("tags.remove", "tag:5", "contact:1"),
			line("tags.apply", "contact:1", "tag:1", "tag:3"), line("goals.achieve", "contact:1"),
			line("tags.remove", "tag:4", "contact:1"), line("tags.apply", "tag:5", "contact:1"),
			line("contacts.upsert", "contact:2"), line("tags.apply", "tag:6", "contact:2"),
		},
	}
}

// TestCompareSeesEveryMistake breaks what Keap was left with, one thing at a time.
func TestCompareSeesEveryMistake(t *testing.T) {
	sound := smallKeap()
	if m := sound.compare(smallDay().Expect()); len(m) > 0 {
		t.Fatalf("nothing is wrong, but: %q", m)
	}
	lost := "timeout_before"
	for name, spoil := range map[string]func(*crm){
		"a contact is missing":          func(k *crm) { k.people = k.people[:1] },
		"a contact is there twice":      func(k *crm) { k.people = append(k.people, k.people[0]) },
		"somebody unknown":              func(k *crm) { k.people = append(k.people, sandbox.Contact{ID: "9", Email: "x@example.com"}) },
		"an older name won":             func(k *crm) { k.people[0].FamilyName = "No 0-0" },
		"a tag is missing":              func(k *crm) { k.people[0].Tags = k.people[0].Tags[1:] },
		"a tag too many":                func(k *crm) { k.people[1].Tags = append(k.people[1].Tags, "Customer") },
		"a tag was not taken off":       func(k *crm) { k.people[0].Tags = append(k.people[0].Tags, "membership 1") },
		"a goal twice":                  func(k *crm) { k.log = append(k.log, k.log[2]) },
		"a goal is missing":             func(k *crm) { k.log = slices.Delete(k.log, 6, 7) },
		"a goal never reached Keap":     func(k *crm) { k.log[6].Fault, k.log[6].Status = &lost, 0 },
		"a goal before its tags":        func(k *crm) { k.log[1], k.log[2] = k.log[2], k.log[1] },
		"on and off in the wrong order": func(k *crm) { k.log[3], k.log[7] = k.log[7], k.log[3] },
		"off was left out":              func(k *crm) { k.log = slices.Delete(k.log, 7, 8) },
		"on and off once more":          func(k *crm) { k.log = append(k.log, k.log[3], k.log[7]) },
	} {
		k := smallKeap()
		spoil(&k)
		if m := k.compare(smallDay().Expect()); len(m) == 0 {
			t.Errorf("%s: not seen", name)
		}
	}
}

func TestWhatHappens(t *testing.T) {
	for fault, want := range map[string]bool{"": true, "timeout_after": true, "truncated": true, "not_json": true, "slow:2s": true,
		"timeout_before": false, "reset": false, "status:503": false, "html": false} {
		l := sandbox.Line{Status: 200}
		if fault != "" {
			l.Fault = &fault
		}
		if happened(&l) != want {
			t.Errorf("%q happened: %t", fault, !want)
		}
	}
	if happened(&sandbox.Line{Status: 429}) {
		t.Error("a refused call happened")
	}
}

func TestUseOfTheMinute(t *testing.T) {
	begin := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	m := &meter{busy: []time.Time{begin.Add(time.Minute), begin.Add(90 * time.Second)}}
	var calls []time.Time
	for n := range 240 {
		calls = append(calls, begin.Add(time.Duration(n)*500*time.Millisecond))
	}
	if use, looks := m.use(calls, 240); use < 0.49 || use > 0.51 || looks != 2 {
		t.Errorf("120 calls a minute use %.3f of it, %d looks", use, looks)
	}
}

// TestRefusalsByWhatWasKnown: the first one finds a closed window, those of the next second were on their way, and what
// is refused later in that minute was sent in vain.
func TestRefusalsByWhatWasKnown(t *testing.T) {
	var got refusals
	for _, at := range []time.Duration{0, 300 * time.Millisecond, 2 * time.Second, 60 * time.Second, 2 * time.Minute, 5 * time.Minute} {
		got.add(time.Unix(0, 0).Add(at))
	}
	if got.Found != 3 || got.Flying != 1 || got.Useless != 2 {
		t.Errorf("%+v", got)
	}
}
