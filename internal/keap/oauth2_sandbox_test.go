package keap

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"bridge/internal/keap/sandbox"
	"bridge/internal/secret"
)

// The whole life of a login, against the simulator's token endpoint.
func TestOAuth2InTheSandbox(t *testing.T) {
	s := sandbox.New(sandbox.Options{Seed: 1})
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	kept := newStore(Tokens{})
	process := func() (*OAuth2, *Client) { return sandboxProcess(t, web.URL, kept) }
	o, c := process()
	tokens, err := o.Exchange(t.Context(), consent(t, o.LoginURL("state-7")))
	if err != nil || tokens.Tenant == "" {
		t.Fatal(tokens.Tenant, err)
	}
	if _, err := o.Exchange(t.Context(), "made up"); KindOf(err) != KindCredential {
		t.Errorf("a made-up code: %v", err)
	}
	if _, err := c.UserInfo(t.Context()); err != nil {
		t.Fatal(err)
	}

	// A day later every process finds its token refused at once: one refresh serves them all.
	if err := s.SetSettings(sandbox.Settings{Clock: sandbox.Clock{Set: true, At: time.Now().Add(25 * time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		_, c := process()
		wg.Go(func() {
			if _, err := c.UserInfo(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	refreshes := -2 // the login's own two exchanges
	for _, line := range s.Log("", time.Time{}, 0) {
		if line.Operation == "token" {
			refreshes++
		}
	}
	if refreshes != 1 {
		t.Errorf("%d refreshes", refreshes)
	}

	// The refresh token was used by somebody who did not store what came back.
	stolen, revision, err := kept.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	thief, _ := process()
	thief.config.Store = newStore(stolen)
	if _, err := thief.renew(t.Context(), stolen.Access.Reveal()); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Save(t.Context(), Tokens{Refresh: stolen.Refresh}, revision); err != nil {
		t.Fatal(err)
	}
	_, c = process()
	if _, err := c.UserInfo(context.Background()); !errors.Is(err, ErrRefreshLost) {
		t.Errorf("a stolen pair: %v", err)
	}
}

func sandboxProcess(t *testing.T, url string, kept TokenStore) (*OAuth2, *Client) {
	t.Helper()
	o, err := NewOAuth2(OAuth2Config{ClientID: "client", ClientSecret: secret.New("s3cret"), RedirectURL: "http://127.0.0.1:7/back", BaseURL: url + "/crm", Store: kept})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{BaseURL: url + "/crm", Credential: o})
	if err != nil {
		t.Fatal(err)
	}
	return o, c
}

// consent is what a browser does: it follows the login page back to the bridge.
func consent(t *testing.T, page string) (code string) {
	t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("state") != "state-7" {
		t.Fatal(resp.Status, back, err)
	}
	return back.Query().Get("code")
}
