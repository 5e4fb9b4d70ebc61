package notify

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bridge/internal/secret"
	"bridge/internal/sources"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// TestSignatureIsStandard: the source of kind standard takes what a Webhook sends.
func TestSignatureIsStandard(t *testing.T) {
	src, mistakes := sources.New("peer", "default", sources.Config{Kind: "standard", Secret: sources.Secrets{secret.New(testSecret)}}, sources.Deps{Now: time.Now, Remember: time.Hour})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	var got error
	var body []byte
	var header http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
		_, _, got = src.Open(r.Context(), sources.Request{Method: r.Method, Header: r.Header, Body: body, Received: time.Now()})
	}))
	defer srv.Close()
	w := &Webhook{URL: srv.URL + "/hook", Secret: secret.New(testSecret), On: []string{"*"}, Client: NewClient()}
	defer w.Client.CloseIdleConnections()
	m := Message{ID: "msg_1", Type: Paused, Account: "default", Time: time.Now(), Data: Stop{Account: "default", Reason: "paused"}}
	if err := w.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got != nil {
		t.Errorf("the receiver does not take it for true: %v", got)
	}
	if header.Get("Webhook-Id") != "msg_1" || header.Get("Content-Type") != "application/cloudevents+json" || !json.Valid(body) {
		t.Errorf("%v %s", header, body)
	}
	w.Secret = secret.New("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if err := w.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got == nil {
		t.Error("a wrong signature passed")
	}
}

// TestSignatureVector is the example of the standard's own specification.
func TestSignatureVector(t *testing.T) {
	got := sign(secret.New(testSecret), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestRedirects(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect led to another host") }))
	defer other.Close()
	taken := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusFound) // the standard client makes a GET of it
		case "/slash":
			http.Redirect(w, r, "/here", http.StatusPermanentRedirect)
		case "/busy":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			if body, _ := io.ReadAll(r.Body); r.Method == http.MethodPost && len(body) > 0 {
				taken++
			}
		}
	}))
	defer srv.Close()
	client := NewClient()
	defer client.CloseIdleConnections()
	for path, want := range map[string]string{"/away": "another host", "/moved": "loses the message", "/slash": "", "/busy": "answered 429"} {
		w := &Webhook{URL: srv.URL + path, Secret: secret.New(testSecret), Client: client}
		err := w.Send(t.Context(), Message{ID: "1", Data: 1})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", path, err)
		}
		var refused *Refused
		if errors.As(err, &refused) && refused.After != 7*time.Second {
			t.Errorf("Retry-After is read as %v", refused.After)
		}
	}
	if taken != 1 {
		t.Errorf("%d messages arrived, want 1", taken)
	}
}

func TestKeys(t *testing.T) {
	for text, want := range map[string]int{testSecret: 24, strings.TrimPrefix(testSecret, "whsec_"): 24, "plain-secret": 12, "abcd": 4} {
		if got := len(keyOf(secret.New(text))); got != want {
			t.Errorf("%d bytes, want %d", got, want)
		}
	}
}
