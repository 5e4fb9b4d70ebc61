package keap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bridge/internal/secret"
)

// store is a TokenStore that several "processes" share.
type store struct {
	lock     chan struct{}
	mu       sync.Mutex
	tokens   Tokens
	revision uint64
	failing  int // so many saves fail
}

func newStore(t Tokens) *store {
	s := &store{lock: make(chan struct{}, 1)}
	if !t.Refresh.Empty() {
		s.tokens, s.revision = t, 1
	}
	return s
}

func (s *store) Load(context.Context) (Tokens, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revision == 0 {
		return Tokens{}, 0, ErrNoTokens
	}
	return s.tokens, s.revision, nil
}

func (s *store) Save(_ context.Context, t Tokens, revision uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failing > 0:
		s.failing--
		return 0, errors.New("disk full")
	case revision != s.revision:
		return 0, ErrStale
	}
	s.tokens, s.revision = t, revision+1
	return s.revision, nil
}

func (s *store) Lock(ctx context.Context) (func(), error) {
	select {
	case s.lock <- struct{}{}:
		return func() { <-s.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// issuer is Keap's token endpoint and an API that takes only the newest access token.
type issuer struct {
	*httptest.Server
	mu        sync.Mutex
	refreshes int
	access    string
	refresh   string
	fail      http.HandlerFunc // instead of the token endpoint, when set
	store     *store
	early     bool // a token was used before it was stored
	forms     []url.Values
	basic     []string
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{access: "access-0-0123456789", refresh: "refresh-0-0123456789"}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path != "/token" {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if i.store != nil {
			kept, _, _ := i.store.Load(r.Context())
			i.early = i.early || !kept.Access.Equal(token)
		}
		if token != i.access {
			says(401, `{"fault":{"faultstring":"Access Token expired","detail":{"errorcode":"keymanagement.service.access_token_expired"}}}`)(w, r)
			return
		}
		says(201, `{"id":"1"}`)(w, r)
		return
	}
	_ = r.ParseForm()
	i.forms = append(i.forms, r.PostForm)
	user, _, _ := r.BasicAuth()
	i.basic = append(i.basic, user)
	if i.fail != nil {
		i.fail(w, r)
		return
	}
	if r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Get("refresh_token") != i.refresh {
		says(400, `{"error":"invalid_grant","error_description":"Invalid refresh token"}`)(w, r)
		return
	}
	i.refreshes++
	i.access, i.refresh = "access-"+strconv.Itoa(i.refreshes)+"-0123456789", "refresh-"+strconv.Itoa(i.refreshes)+"-0123456789"
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":86400,"refresh_token":%q,"scope":"full|ab123.infusionsoft.com"}`, i.access, i.refresh)
}

// process is one process that shares the login.
func (i *issuer) process(t *testing.T, s TokenStore) (*OAuth2, *Client) {
	t.Helper()
	o, err := NewOAuth2(OAuth2Config{
		ClientID: "client", ClientSecret: secret.New("client-secret-0123456789"), RedirectURL: "https://bridge.example.com/oauth",
		BaseURL: i.URL + "/crm", Store: s, Timeout: 5 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{BaseURL: i.URL + "/crm", Credential: o})
	if err != nil {
		t.Fatal(err)
	}
	return o, c
}

func pair(access, refresh string, expires time.Time) Tokens {
	return Tokens{Access: secret.New(access), Refresh: secret.New(refresh), Expires: expires, Tenant: "ab123"}
}

func TestLogin(t *testing.T) {
	i, s := newIssuer(t), newStore(Tokens{})
	o, c := i.process(t, s)
	login, err := url.Parse(o.LoginURL("state-1"))
	if err != nil {
		t.Fatal(err)
	}
	if q := login.Query(); q.Get("client_id") != "client" || q.Get("response_type") != "code" || q.Get("scope") != "full" || q.Get("state") != "state-1" || q.Get("redirect_uri") != "https://bridge.example.com/oauth" {
		t.Errorf("login URL %s", login)
	}
	e := asError(t, one(c))
	if e.Kind != KindCredential || !errors.Is(e, ErrNoTokens) || e.Sent || e.Operation != "companies.create" || !strings.Contains(e.Hint, "bridge keys login") {
		t.Errorf("before the login: %+v", e)
	}
	got, err := o.Exchange(context.Background(), "code-1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Tenant != "ab123" || time.Until(got.Expires) < 23*time.Hour || !got.Access.Equal(i.access) {
		t.Errorf("tenant %s, expires %s", got.Tenant, got.Expires)
	}
	form := i.forms[0]
	if form.Get("grant_type") != "authorization_code" || form.Get("code") != "code-1" || form.Get("client_secret") == "" || form.Get("redirect_uri") == "" || i.basic[0] != "" {
		t.Errorf("exchange sent %v with basic %q", form, i.basic[0])
	}
	if err := one(c); err != nil {
		t.Error(err)
	}
	if o.Masked() != "*****56789" || o.Kind() != OAuth {
		t.Errorf("masked %s", o.Masked())
	}
}

func TestLoginPageOfKeap(t *testing.T) {
	o, err := NewOAuth2(OAuth2Config{ClientID: "c", ClientSecret: secret.New("s"), BaseURL: DefaultBaseURL})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.LoginURL("x"); !strings.HasPrefix(got, "https://accounts.infusionsoft.com/app/oauth/authorize?") {
		t.Error(got)
	}
	if got := o.endpoints(0).Endpoint.TokenURL; got != "https://api.infusionsoft.com/token" {
		t.Error(got)
	}
}

// Eight processes with eight calls each find the same refused token: one of them refreshes, and nobody uses the new
// pair before it is stored.
func TestOneRefreshForEightProcesses(t *testing.T) {
	for _, tc := range []struct {
		name    string
		expires time.Time
	}{{"expired", time.Now().Add(time.Minute)}, {"refused", time.Now().Add(24 * time.Hour)}} {
		t.Run(tc.name, func(t *testing.T) {
			i := newIssuer(t)
			s := newStore(pair("access-old-0123456789", i.refresh, tc.expires))
			if tc.name == "expired" {
				i.store = s
			}
			var wg sync.WaitGroup
			for range 8 {
				_, c := i.process(t, s)
				for range 8 {
					wg.Go(func() {
						if err := one(c); err != nil {
							t.Error(err)
						}
					})
				}
			}
			wg.Wait()
			if i.refreshes != 1 || i.early {
				t.Errorf("%d refreshes, used before it was stored: %v", i.refreshes, i.early)
			}
			if form := i.forms[0]; form.Get("grant_type") != "refresh_token" || i.basic[0] != "client" || form.Get("client_secret") != "" {
				t.Errorf("refresh sent %v with basic %q", form, i.basic[0])
			}
		})
	}
}

func TestRefreshLost(t *testing.T) {
	for _, body := range []string{`{"error":"invalid_grant","error_description":"Invalid refresh token"}`, `{"error":"invalid_request","error_description":"Invalid Refresh Token"}`} {
		i := newIssuer(t)
		i.fail = says(400, body)
		s := newStore(pair("", "refresh-stale-0123456789", time.Time{}))
		_, c := i.process(t, s)
		for range 3 {
			e := asError(t, one(c))
			if e.Kind != KindCredential || !errors.Is(e, ErrRefreshLost) || e.Sent || !strings.Contains(e.Hint, "bridge keys login") || strings.Contains(e.Error(), "0123456789") {
				t.Errorf("%+v", e)
			}
		}
		if len(i.forms) != 1 {
			t.Errorf("a dead refresh token was tried %d times", len(i.forms))
		}
		// A new login, by whatever process, is found at the next call.
		i.mu.Lock()
		i.fail = nil
		i.mu.Unlock()
		other, _ := i.process(t, s)
		if _, err := other.Exchange(context.Background(), "code"); err != nil {
			t.Fatal(err)
		}
		if err := one(c); err != nil {
			t.Error(err)
		}
	}
}

func TestTokenEndpointTrouble(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail http.HandlerFunc
		kind Kind
		says string
	}{
		{"500", says(500, `oops`), KindUnreachable, "answered 500"},
		{"429", says(429, `{"fault":{}}`), KindUnreachable, "answered 429"},
		{"client", says(401, `{"error":"invalid_client"}`), KindCredential, "client_id and client_secret"},
		{"html", says(200, `<html>`), KindUnreachable, "no token"},
		{"empty", says(200, `{}`), KindUnreachable, "no token"},
		{"redirect", says(302, ``), KindUnreachable, "answered 302"},
		{"reset", func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				conn.Close()
			}
		}, KindUnreachable, "no token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := newIssuer(t)
			s := newStore(pair("", i.refresh, time.Time{}))
			_, c := i.process(t, s)
			i.fail = tc.fail
			e := asError(t, one(c))
			if e.Kind != tc.kind || e.Sent || e.Answered || !strings.Contains(e.Message, tc.says) || e.Hint == "" {
				t.Errorf("%+v", e)
			}
			if text := fmt.Sprint(e.Error(), e.Hint, e.Err); strings.Contains(text, "0123456789") {
				t.Errorf("shows a secret: %s", text)
			}
			i.mu.Lock()
			i.fail = nil
			i.mu.Unlock()
			if err := one(c); err != nil {
				t.Errorf("does not recover: %v", err)
			}
		})
	}
}

// The store does not take the new pair at first: nothing uses it, no second refresh burns it, and the next call
// stores it.
func TestPairWaitsForTheStore(t *testing.T) {
	i := newIssuer(t)
	s := newStore(pair("", i.refresh, time.Time{}))
	i.store, s.failing = s, 2
	_, c := i.process(t, s)
	for range 2 {
		e := asError(t, one(c))
		if e.Kind != KindUnreachable || !strings.Contains(e.Message, "store of tokens") {
			t.Errorf("%+v", e)
		}
	}
	if err := one(c); err != nil {
		t.Fatal(err)
	}
	if i.refreshes != 1 || i.early {
		t.Errorf("%d refreshes, early %v", i.refreshes, i.early)
	}
}

// Whoever gives up waiting does not lose the pair that is on its way.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	i := newIssuer(t)
	s := newStore(pair("", i.refresh, time.Time{}))
	_, c := i.process(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	issue := i.fail
	i.fail = func(w http.ResponseWriter, r *http.Request) {
		cancel()
		i.refreshes++
		i.access, i.refresh, i.fail = "access-1-0123456789", "refresh-1-0123456789", issue
		_, _ = io.WriteString(w, `{"access_token":"access-1-0123456789","token_type":"bearer","expires_in":86400,"refresh_token":"refresh-1-0123456789"}`)
	}
	if _, err := c.CreateCompany(ctx, "Example Ltd"); KindOf(err) != KindCancelled {
		t.Errorf("got %v", err)
	}
	if kept, _, _ := s.Load(context.Background()); !kept.Refresh.Equal("refresh-1-0123456789") || kept.Tenant != "ab123" {
		t.Error("the pair was lost")
	}
	if err := one(c); err != nil || i.refreshes != 1 {
		t.Errorf("%v after %d refreshes", err, i.refreshes)
	}
}

func TestALoginThatIsWorthNothing(t *testing.T) {
	i := newIssuer(t)
	s := newStore(pair("access-old-0123456789", i.refresh, time.Now().Add(time.Hour)))
	_, c := i.process(t, s)
	inner := i.Server.Config.Handler
	i.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			inner.ServeHTTP(w, r)
			return
		}
		says(401, `{}`)(w, r)
	})
	if e := asError(t, one(c)); e.Kind != KindDenied || i.refreshes != 1 {
		t.Errorf("%+v after %d refreshes", e, i.refreshes)
	}
}
