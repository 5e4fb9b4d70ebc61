package sources

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// paypalAPI is PayPal's REST API with a token of its own, fetched with client id and secret when it is needed.
type paypalAPI struct {
	*lookup
	key, secret func() string

	mu    sync.Mutex
	token string
	until time.Time
}

// openPayPalAPI is nil without enrich.
func openPayPalAPI(s *setup) *paypalAPI {
	base := "https://api-m.paypal.com"
	if s.cfg.Enrich != nil && s.cfg.Enrich.Sandbox {
		base = "https://api-m.sandbox.paypal.com"
	}
	l := openLookup(s, base).basic(s, "client id", "client secret")
	if l == nil {
		return nil
	}
	a := &paypalAPI{lookup: l, key: s.cfg.Enrich.Key.Reveal, secret: s.cfg.Enrich.Secret.Reveal}
	l.auth = func(r *http.Request) {
		if r.URL.Path == "/v1/oauth2/token" {
			r.SetBasicAuth(a.key(), a.secret())
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a
}

// get is lookup.get with a valid token.
func (a *paypalAPI) get(ctx context.Context, path string) (tree, error) {
	a.mu.Lock()
	valid := a.now().Before(a.until)
	a.mu.Unlock()
	if !valid {
		if err := a.login(ctx); err != nil {
			return tree{}, err
		}
	}
	return a.lookup.get(ctx, path)
}

func (a *paypalAPI) login(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base.String()+"/v1/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	b, err := a.do(ctx, req)
	if err != nil {
		return fmt.Errorf("access token: %w", err)
	}
	v, err := decodeJSON(b)
	if err != nil {
		return &Later{Err: fmt.Errorf("access token: %w", err)}
	}
	answer := newTree(v)
	seconds, err := time.ParseDuration(answer.get("expires_in") + "s")
	if err != nil {
		seconds = 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token, a.until = answer.get("access_token"), a.now().Add(seconds-time.Minute)
	return nil
}
