package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bridge/internal/events"
)

// TestWhatWasSaid: the story of an event shows what each call sent and got; viewers see it without the person.
func TestWhatWasSaid(t *testing.T) {
	d := newDesk(t, withTokens)
	e := d.Fail(1, "ada@example.com")
	d.CaughtUp(t)
	for token, sees := range map[string]bool{operatorToken: true, viewerToken: false} {
		_, page := d.ask("GET", "/events/"+e.Key(), "", bearer(token)...)
		var answer struct {
			Served []struct {
				Waited   int `json:"waited_ns"`
				Exchange *events.Exchange
			}
		}
		text := d.answer(200, &answer, "GET", "/api/events/"+e.Key(), "", bearer(token)...)
		if len(answer.Served) != 1 || answer.Served[0].Exchange == nil || answer.Served[0].Waited == 0 {
			t.Fatalf("served: %s", text)
		}
		x := answer.Served[0].Exchange
		if x.Method != "PUT" || !strings.HasPrefix(x.Target, "/rest/v1/contacts") || !strings.Contains(x.Answered.Text, "77") {
			t.Errorf("the exchange: %+v", x)
		}
		said, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		for _, private := range []string{"ada@example.com", "ada%40example.com", "Ada"} {
			if strings.Contains(string(said), private) != sees && private != "ada%40example.com" || !sees && strings.Contains(page, private) {
				t.Errorf("sees %v, %q in\n%s\n%s", sees, private, said, page)
			}
		}
		if !strings.Contains(page, "Sent and answered") || !strings.Contains(page, "PUT /rest/v1/contacts") || !strings.Contains(page, "waited 3 s for its permit") {
			t.Errorf("the page shows no exchange:\n%s", page)
		}
	}
}

// TestMaskBody: of a body that cannot be read, nothing is shown; of one that can, what names no person.
func TestMaskBody(t *testing.T) {
	for body, want := range map[string]string{
		"": "",
		`{"id":"77","email_addresses":[{"email":"ada@example.com","field":"EMAIL1"}],"score":5,"contact_ids":["7"],"ok":true}`: `{"contact_ids":["7"],"email_addresses":[{"email":"a•••","field":"EMAIL1"}],"id":"77","ok":true,"score":"•••"}`,
		`{"message":"ada@example.com is taken"}`: `{"message":"a••• is taken"}`,
		`<xml>ada@example.com</xml>`:             `(26 bytes)`,
		`["ada"]`:                                `["a•••"]`,
	} {
		if got := maskBody(events.Excerpt{Text: body, Size: len(body)}); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if got := maskBody(events.Excerpt{Text: `{"a":"b"}`, Size: 5000}); got != "(5000 bytes)" {
		t.Errorf("cut: %s", got)
	}
}

// TestMuchWasSaid: a page stays light however much an event's calls sent and got, and shows the last ones.
func TestMuchWasSaid(t *testing.T) {
	d := newDesk(t, nil)
	e := d.Fail(1, "ada@example.com")
	long := strings.Repeat("<", 4000)
	for n := range 60 {
		d.Settle(events.Outcome{Kind: events.OutcomeCall, At: e.Received, Account: e.Account, Call: &events.CallReport{
			Operation: "contacts.get", Status: 200, Served: []events.Served{{Key: e.Key(), Step: "purchase/contact#1"}},
			Exchange: &events.Exchange{At: e.Received, Method: "GET", Target: fmt.Sprint("/rest/v1/contacts/", n), Status: 200, Answered: events.Excerpt{Text: long, Size: 9000}},
		}})
	}
	d.CaughtUp(t)
	_, page := d.ask("GET", "/events/"+e.Key(), "")
	if len(page) > 60_000 || !strings.Contains(page, "GET /rest/v1/contacts/59") || strings.Contains(page, "GET /rest/v1/contacts/5\n") {
		t.Errorf("%d bytes", len(page))
	}
}
