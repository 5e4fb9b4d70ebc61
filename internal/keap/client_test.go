package keap

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"bridge/internal/quota"
	"bridge/internal/secret"

	"github.com/google/go-cmp/cmp"
)

const testKey = "KeapAK-0123456789abcdef0123456789abcdef01c5169"

// fake is a Keap that answers what a test says and remembers what it was asked.
type fake struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []asked
	seen   []quota.Observation
	answer http.HandlerFunc
}

type asked struct {
	method, target, body string
	header               http.Header
}

// newFake starts a fake Keap and a client for it.
func newFake(t *testing.T, answer http.HandlerFunc) (*fake, *Client) {
	t.Helper()
	f := &fake{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.asked = append(f.asked, asked{r.Method, r.URL.RequestURI(), string(body), r.Header.Clone()})
		f.mu.Unlock()
		f.answer(w, r)
	}))
	t.Cleanup(f.Close)
	return f, f.client(t, mustKey(t, testKey, ""))
}

func (f *fake) client(t *testing.T, credential Credential) *Client {
	t.Helper()
	c, err := New(Options{BaseURL: f.URL + "/crm", Credential: credential, Transport: f.Client().Transport, Timeout: 5 * time.Second,
		Observe: func(o quota.Observation) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seen = append(f.seen, o)
		}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]asked(nil), f.asked...)
}

func mustKey(t *testing.T, key, next string) Credential {
	t.Helper()
	c, err := ServiceAccountKey(secret.New(key), secret.New(next))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// says answers with a status and a JSON body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// parsed reads a body for comparison; numbers keep their digits.
func parsed(t *testing.T, body string) any {
	t.Helper()
	if body == "" {
		return nil
	}
	var v any
	if err := decode([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestUpsertSendsOnlyWhatIsSet(t *testing.T) {
	now := time.Now().UTC()
	f, c := newFake(t, says(200, `{"id":17,"date_created":"`+now.Format("2006-01-02T15:04:05.000+0000")+`"}`))
	ref, err := c.UpsertContact(context.Background(), ContactWrite{
		GivenName: new("Ada"), FamilyName: new(""),
		Emails:       []EmailAddress{{Address: "ada@example.com"}},
		Addresses:    []Address{{Line1: "1 Main St", Region: "AZ", Country: "us"}},
		CustomFields: []CustomValue{{ID: "7", Content: "x"}},
		OwnerID:      new("3"), OptInReason: new("bought"),
	}, ByEmail)
	if err != nil {
		t.Fatal(err)
	}
	if ref != (ContactRef{ID: "17", Created: true}) {
		t.Errorf("ref = %+v", ref)
	}
	got := f.requests()[0]
	want := `{"given_name":"Ada","family_name":"","owner_id":3,"opt_in_reason":"bought","email_addresses":[{"email":"ada@example.com","field":"EMAIL1"}],` +
		`"addresses":[{"field":"BILLING","line1":"1 Main St","region":"US-AZ","country_code":"USA"}],"custom_fields":[{"id":7,"content":"x"}],"duplicate_option":"Email"}`
	if diff := cmp.Diff(parsed(t, want), parsed(t, got.body)); got.method != "PUT" || got.target != "/crm/rest/v1/contacts" || diff != "" {
		t.Errorf("sent %s %s\n%s", got.method, got.target, diff)
	}
	if got.header.Get("X-Keap-API-Key") != testKey || got.header.Get("Authorization") != "" {
		t.Errorf("credential headers: %v", got.header)
	}
}
