package keap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"bridge/internal/secret"
)

// oneAnswer is a Keap that answers everything alike.
type oneAnswer struct {
	status int
	kind   string
	body   []byte
}

func (a oneAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Header: http.Header{"Content-Type": {a.kind}},
		Body: io.NopCloser(bytes.NewReader(a.body)), Request: r,
	}, nil
}

// FuzzAnswers gives every operation answers of any content: a result or an *Error comes of it, never both and no panic.
func FuzzAnswers(f *testing.F) {
	all := operations()
	for n, op := range all {
		f.Add(uint(n), op.status, "application/json", []byte(op.answer))
	}
	f.Add(uint(0), 429, "text/html", []byte("<html>"))
	f.Add(uint(1), 400, "application/json", []byte(`{"message":[],"fault":{"detail":{"errorcode":1}}}`))
	f.Fuzz(func(t *testing.T, n uint, status int, kind string, body []byte) {
		if status < 200 || status > 599 || len(body) > 1<<16 {
			t.Skip()
		}
		key, err := ServiceAccountKey(secret.New(testKey), secret.New(""))
		if err != nil {
			t.Fatal(err)
		}
		c, err := New(Options{BaseURL: "https://keap.example.com/crm", Credential: key, Transport: oneAnswer{status, kind, body}})
		if err != nil {
			t.Fatal(err)
		}
		op := all[n%uint(len(all))]
		_, err = op.call(context.Background(), c)
		var failure *Error
		if err != nil && !errors.As(err, &failure) {
			t.Fatalf("%s: %T %v", op.name, err, err)
		}
		if err == nil && status >= 400 && status != http.StatusNotFound { // what is to be deleted may be gone
			t.Fatalf("%s takes a %d for a result", op.name, status)
		}
	})
}
