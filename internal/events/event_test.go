package events

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestEventIsACloudEvent(t *testing.T) {
	paid := time.Date(2026, 11, 20, 9, 59, 2, 0, time.UTC)
	e := Event{
		ID: "shop:order.paid:1", Account: "default", Source: "shop", Kind: "woocommerce", Type: "order.paid", Time: paid, Received: paid.Add(time.Second),
		Updated: paid, TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Rule: "lead", Priority: "bulk", Enrich: "order", Subject: "1",
		Data: Data{
			Contact: &Contact{Email: "ann@example.com", Fields: map[string]string{"Size": "M"}},
			Order:   &Order{ID: "1", Total: "10.00", Currency: "EUR", PaidAt: &paid, Items: []Item{{SKU: "A", Quantity: 2, Price: "5.00"}}},
			Raw:     json.RawMessage(`{"id":820982911946154508}`),
		},
	}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var attributes map[string]any
	if err := json.Unmarshal(b, &attributes); err != nil {
		t.Fatal(err)
	}
	for name := range attributes {
		if name != strings.ToLower(name) || strings.ContainsAny(name, "_-") && name != "data" {
			t.Errorf("attribute %q is not of a-z and 0-9, as CloudEvents wants", name)
		}
	}
	for _, name := range []string{"specversion", "id", "source", "type"} {
		if attributes[name] == "" || attributes[name] == nil {
			t.Errorf("the needed attribute %s is missing", name)
		}
	}
	if !strings.Contains(string(b), "820982911946154508") {
		t.Error("an id above 2^53 was rounded")
	}
	var back Event
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, back); diff != "" {
		t.Error(diff)
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, text := range []string{`{}`, `{"specversion":"0.3","id":"1","type":"x"}`, `{"specversion":"1.0","type":"x"}`, `{"specversion":"1.0","id":"1"}`, `[]`} {
		var e Event
		if err := json.Unmarshal([]byte(text), &e); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9-]{0,3}`)
		a, b := [3]string{}, [3]string{}
		for i := range a {
			a[i], b[i] = word.Draw(t, "a"), word.Draw(t, "b")
		}
		same := KeyOf(a[0], a[1], a[2]) == KeyOf(b[0], b[1], b[2])
		if same != (a == b) {
			t.Fatalf("%v and %v: same key %v", a, b, same)
		}
	})
	if got := KeyOf("default", "shop", "x > * ."); len(got) != 32 || strings.Trim(got, "0123456789abcdef") != "" {
		t.Errorf("key %q may not stand in a subject", got)
	}
}

func TestOrderKey(t *testing.T) {
	for _, tc := range []struct {
		contact *Contact
		want    string
	}{
		{nil, ""}, {&Contact{}, ""},
		{&Contact{Email: " Ann@Example.COM ", Phone: "1"}, "e:ann@example.com"},
		{&Contact{Phone: "+49 (30) 555-0100"}, "p:+49305550100"},
		{&Contact{Phone: " + "}, ""},
		{&Contact{ExternalID: "7"}, "x:shop:7"},
	} {
		e := Event{Source: "shop", Data: Data{Contact: tc.contact}}
		if got := e.OrderKey(); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.contact, got, tc.want)
		}
	}
}

func TestPriorities(t *testing.T) {
	for _, p := range Priorities {
		back, err := ParsePriority(p.String())
		if err != nil || back != p {
			t.Errorf("%s became %s, %v", p, back, err)
		}
	}
	if p, err := ParsePriority(""); p != Normal || err != nil {
		t.Errorf("the default is %s, %v", p, err)
	}
	if _, err := ParsePriority("high"); err == nil {
		t.Error("an unknown priority was taken")
	}
}

func TestVerdictStates(t *testing.T) {
	for kind, want := range map[VerdictKind]State{VerdictDone: Done, VerdictSnooze: Parked, VerdictRetry: Parked, VerdictBury: Failed, VerdictDoubt: InDoubt} {
		if got := (Verdict{Kind: kind}).State(); got != want {
			t.Errorf("%d: %s, want %s", kind, got, want)
		}
		if want.Settled() == (want == Parked) {
			t.Errorf("%s: Settled() = %v", want, want.Settled())
		}
	}
	for _, s := range []State{Waiting, Working, Parked} {
		if s.Settled() {
			t.Errorf("%s is settled", s)
		}
	}
	if !slices.Contains(States, InDoubt) {
		t.Error("States is not whole")
	}
}
