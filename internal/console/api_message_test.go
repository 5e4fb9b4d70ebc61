package console

import (
	"strings"
	"testing"

	"bridge/internal/events"
)

// TestOddQuestions: what cannot be understood is refused, and not answered with everything.
func TestOddQuestions(t *testing.T) {
	d := newDesk(t, nil)
	for _, path := range []string{"/api/events?cursor=zzz", "/api/events?bogus=1", "/api/events?limit=0", "/api/events?limit=-1", "/api/events?state=bogus",
		"/api/events/stream?stat=failed"} {
		d.answer(400, nil, "GET", path, "")
	}
}

// TestElsewhere: what others used of the day stands in the status when it is nothing, too.
func TestElsewhere(t *testing.T) {
	d := newDesk(t, nil)
	d.AccountList[0].Quota.Day.Elsewhere = 0
	if text := d.answer(200, nil, "GET", "/api/status", ""); !strings.Contains(text, `"elsewhere":0`) {
		t.Errorf("the status does not say it: %s", text)
	}
}

// TestWhatIsNoEvent: what a publisher sent instead of an event is shown as it came, but not to viewers.
func TestWhatIsNoEvent(t *testing.T) {
	d := newDesk(t, withTokens)
	text := d.Garble("ingest:7", events.Message{Subject: "ingest.default.crm", Header: map[string][]string{"Ce-Id": {"o-1"}}, Body: []byte("garbage <ada@example.com>")})
	binary := d.Garble("ingest:8", events.Message{Subject: "ingest.default.crm", Body: []byte{0xff, 0}})
	d.CaughtUp(t)
	type shown struct {
		ID, Source, Type string
		Event            *events.Event
		Message          *messageAnswer
	}
	var got shown
	d.answer(200, &got, "GET", "/api/events/ingest:7", "", bearer(adminToken)...)
	if got.ID != "ingest:7" || got.Source != "crm" || got.Type != events.Unreadable || got.Event != nil || got.Message.Body != "garbage <ada@example.com>" || got.Message.Header["Ce-Id"][0] != "o-1" {
		t.Errorf("an admin sees %+v %+v", got, got.Message)
	}
	d.answer(200, &got, "GET", "/api/events/"+binary, "", bearer(adminToken)...)
	if !got.Message.Base64 || got.Message.Body != "/wA=" {
		t.Errorf("an admin sees %+v", got.Message)
	}
	got = shown{}
	d.answer(200, &got, "GET", "/api/events/"+text, "", bearer(viewerToken)...)
	if got.Message.Subject != "ingest.default.crm" || got.Message.Body != "" || got.Message.Header != nil {
		t.Errorf("a viewer sees %+v", got.Message)
	}
	if page := d.answer(200, nil, "GET", "/events/"+text, "", bearer(adminToken)...); !strings.Contains(page, "garbage &lt;ada@example.com&gt;") {
		t.Errorf("the page does not show what came:\n%s", page)
	}
	if page := d.answer(200, nil, "GET", "/events/"+text, "", bearer(viewerToken)...); strings.Contains(page, "garbage") {
		t.Errorf("a viewer's page shows what came")
	}
}
