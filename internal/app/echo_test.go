package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bridge/internal/config"
	"bridge/internal/sources"
)

// TestOwnWritesAreKnown: what the client writes is an echo when Keap tells of it; what it only reads, or does below a
// thing, is news.
func TestOwnWritesAreKnown(t *testing.T) {
	const answer = `{"id": 42, "email_addresses": []}`
	keap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("fail") {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer keap.Close()
	for _, tc := range []struct {
		method, path, event, id string
		hears                   bool // the account takes Keap's hooks
		want                    bool
	}{
		{"PUT", "/crm/rest/v1/contacts", "contact.edit", "42", true, true},
		{"PATCH", "/crm/rest/v2/contacts/7", "contact.edit", "7", true, true},
		{"POST", "/crm/rest/v1/orders", "order.add", "42", true, true},
		{"PUT", "/crm/rest/v1/contacts", "order.add", "42", true, false},
		{"PUT", "/crm/rest/v1/contacts", "contact.edit", "42", false, false},
		{"PUT", "/crm/rest/v1/contacts?fail", "contact.edit", "42", true, false},
		{"GET", "/crm/rest/v1/contacts/7", "contact.edit", "7", true, false},
		{"POST", "/crm/rest/v1/contacts/7/tags", "contact.edit", "7", true, false},
		{"POST", "/crm/rest/v2/tags/9/contacts:applyTags", "contactGroup.applied", "9", true, false},
	} {
		kinds := map[string]sources.Config{"shop": {Kind: "woocommerce"}}
		if tc.hears {
			kinds["keap"] = sources.Config{Kind: "keap"}
		}
		ws := &worlds{}
		a := ws.build(&config.Account{Sources: kinds}, "g")
		ws.now.Store(&world{accounts: map[string]*account{"default": a}})
		hooks := testHooks(fakeNotes{})
		c := &http.Client{Transport: &echo{&groups{worlds: ws, hooks: hooks}, "default", http.DefaultTransport}}
		req, err := http.NewRequestWithContext(t.Context(), tc.method, keap.URL+tc.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != answer || res.Body.Close() != nil {
			t.Errorf("%s %s: the client reads %q, %v", tc.method, tc.path, body, err)
		}
		if got := hooks.Ours("default", tc.event, tc.id, time.Now()); got != tc.want {
			t.Errorf("%s %s, then %s of %s: ours %v, want %v", tc.method, tc.path, tc.event, tc.id, got, tc.want)
		}
	}
	c := http.DefaultClient
	c.CloseIdleConnections()
}
