package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"bridge/internal/events"
)

// TestBadInput: what is wrong is refused early, or kept as failed with its reason; nothing loops, nothing is called.
func TestBadInput(t *testing.T) {
	crm, url := keap(t, 1)
	a, publisher := inProcess(t, url)
	c := client(t)
	hooks := "http://" + a.HTTPAddr + "/hooks/"
	for _, tc := range []struct {
		name, path, body string
		signature        string
		want             int
	}{
		{"wrong signature", "default/shop", "{}", "bm90IHRoZSBzaWduYXR1cmU=", http.StatusUnauthorized},
		{"no signature", "default/shop", "{}", "", http.StatusUnauthorized},
		{"unknown account", "nobody/shop", "{}", "", http.StatusUnauthorized},
		{"too large", "default/shop", strings.Repeat("x", 2<<20), "", http.StatusRequestEntityTooLarge},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hooks+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-WC-Webhook-Topic", "order.updated")
		req.Header.Set("X-WC-Webhook-Signature", tc.signature)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, res.StatusCode, tc.want)
		}
	}
	if status, err := postOrder(t.Context(), c, "http://"+a.HTTPAddr, []byte(`{"id":1,`)); err != nil || status != http.StatusBadRequest {
		t.Errorf("malformed: %d %v", status, err)
	}

	nc, err := publisher()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	bad := []string{
		"not JSON", `{"specversion":"1.0","id":"x"}`, `{"specversion":"1.0","id":"no-contact","source":"crm.example.com","type":"lead.submitted","data":{}}`,
	}
	for _, body := range bad {
		ack, err := nc.Request("ingest.default.crm", []byte(body), patience)
		if err != nil || bytes.Contains(ack.Data, []byte(`"error"`)) {
			t.Fatalf("%s: %s %v", body, ack.Data, err)
		}
	}
	console := &api{c, "http://" + a.ConsoleAddr}
	console.settled(t, len(bad))
	rows, err := console.all(t.Context()) // what is no event has no id to list it by
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[events.Reason]int{}
	for _, r := range rows {
		if r.State != events.Failed {
			t.Errorf("%s is %s", r.ID, r.State)
		}
		reasons[r.Reason]++
	}
	if fmt.Sprint(reasons) != fmt.Sprint(map[events.Reason]int{events.BadSchema: 2, events.ContactMissing: 1}) {
		t.Errorf("reasons %v", reasons)
	}
	if n := crm.Calls("").Total; n != 0 {
		t.Errorf("%d calls were made", n)
	}
	refusedSubject(t, nc)
}

// refusedSubject: a publisher may write nothing but its own subject.
func refusedSubject(t *testing.T, nc *nats.Conn) {
	t.Helper()
	for _, subject := range []string{"ingest.default.shop", "ev.default.shop.x", "$JS.API.STREAM.DELETE.EVENTS"} {
		ctx, cancel := contextFor(t)
		if ack, err := nc.RequestWithContext(ctx, subject, []byte("{}")); err == nil {
			t.Errorf("%s answered %s", subject, ack.Data)
		}
		cancel()
	}
}
