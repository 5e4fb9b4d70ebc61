package keap

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bridge/internal/secret"
)

// TestOverhear: what is heard is what went over the line, without headers and credential, cut where it is long.
func TestOverhear(t *testing.T) {
	const key = "KeapAK-0123456789abcdef0123456789abcdef0123456789abcdef01"
	long := strings.Repeat("é", maxExcerpt)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "ada@example.com") {
			t.Errorf("sent %s", body)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"message": "no, `+key+`", "x": "`+long+`"}`)
	}))
	defer server.Close()
	credential, err := ServiceAccountKey(secret.New(key), secret.Text{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{BaseURL: server.URL + "/crm", Credential: credential})
	if err != nil {
		t.Fatal(err)
	}
	ctx, heard := Overhear(t.Context())
	if _, err := c.UpsertContact(ctx, ContactWrite{Emails: []EmailAddress{{Address: "ada@example.com"}}}, ByEmail); err == nil {
		t.Fatal("no error")
	}
	switch {
	case heard.Method != http.MethodPut || heard.Target != "/rest/v1/contacts" || heard.Status != http.StatusBadRequest:
		t.Errorf("heard %s %s, %d", heard.Method, heard.Target, heard.Status)
	case !strings.Contains(heard.Sent.Text, "ada@example.com") || heard.Sent.Size != len(heard.Sent.Text):
		t.Errorf("sent: %+v", heard.Sent)
	case !strings.Contains(heard.Answered.Text, "*****def01") || strings.Contains(heard.Answered.Text, key):
		t.Errorf("answered: %.200s", heard.Answered.Text)
	case len(heard.Answered.Text) > maxExcerpt || heard.Answered.Size < 2*maxExcerpt:
		t.Errorf("%d bytes of %d", len(heard.Answered.Text), heard.Answered.Size)
	}
}
