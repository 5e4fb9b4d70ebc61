package keap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"bridge/internal/secret"

	"golang.org/x/oauth2"
)

// Tokens are one pair of an OAuth2 login. Access lives 24 hours. Refresh lives 45 days and works once: using it
// kills it and yields the next pair. They print as "*****"; a store has to Reveal them to keep them.
type Tokens struct {
	Access  secret.Text
	Refresh secret.Text
	Expires time.Time // of Access; zero: unknown
	Tenant  string    // application code, "ab123"; "" where Keap does not say
}

// What a TokenStore answers, to be found by errors.Is.
var (
	ErrNoTokens = errors.New("no tokens are stored") // Load: nobody has logged in
	ErrStale    = errors.New("the tokens were changed by somebody else")
)

// ErrRefreshLost says that the stored refresh token works no more: it was used by somebody who did not store what came
// back, or it was revoked, or 45 days have passed. Only a new login helps.
var ErrRefreshLost = errors.New("the refresh token is used up or revoked")

// TokenStore keeps the tokens of one login for every process that uses it.
type TokenStore interface {
	// Load returns the pair and its revision, or ErrNoTokens.
	Load(ctx context.Context) (Tokens, uint64, error)
	// Save replaces the revision that was loaded (0: there must be none yet) and returns the new one, or ErrStale.
	Save(ctx context.Context, t Tokens, revision uint64) (uint64, error)
	// Lock keeps every other process from refreshing until unlock, or until its holder is gone. It must hold for
	// longer than the timeout of the token endpoint.
	Lock(ctx context.Context) (unlock func(), err error)
}

// OAuth2Config is an OAuth2 client of Keap. All but Transport and Timeout are required.
type OAuth2Config struct {
	ClientID     string
	ClientSecret secret.Text
	RedirectURL  string // as registered with Keap
	BaseURL      string // of the API, as in Options; the token endpoint stands beside /crm
	Store        TokenStore
	Transport    http.RoundTripper
	Timeout      time.Duration // of the token endpoint; 0: 20 s
}

// OAuth2 is the credential of a login by authorization code. Refreshing is serialised by the store's lock, and a new
// pair is stored before it is used, so that no pair is ever lost to a crash or to another process.
type OAuth2 struct {
	config  OAuth2Config
	timeout time.Duration
	client  *http.Client
	base    string

	turn chan struct{} // held while this process looks after its tokens

	mu      sync.Mutex
	tokens  Tokens
	unsaved *Tokens     // a pair that the store did not take; nothing may use it before it is stored
	lost    secret.Text // a refresh token known to be dead
}

// NewOAuth2 makes the credential. It asks nobody; tokens are loaded when first needed.
func NewOAuth2(config OAuth2Config) (*OAuth2, error) {
	base, err := checkBase(config.BaseURL)
	if err != nil {
		return nil, err
	}
	if config.ClientID == "" || config.ClientSecret.Empty() {
		return nil, &Error{Kind: KindCredential, Field: string(OAuth), Message: "client_id or client_secret is empty",
			Hint: "copy both from keys.developer.keap.com"}
	}
	o := &OAuth2{config: config, base: base, timeout: config.Timeout, turn: make(chan struct{}, 1)}
	if o.timeout <= 0 {
		o.timeout = 20 * time.Second
	}
	o.client = &http.Client{
		Transport: config.Transport, Timeout: o.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return o, nil
}

// endpoints are beside the API; Keap itself has its login page on a host of its own.
func (o *OAuth2) endpoints(style oauth2.AuthStyle) *oauth2.Config {
	root := strings.TrimSuffix(o.base, "/crm")
	login := root
	if u, err := url.Parse(root); err == nil && (u.Host == "api.infusionsoft.com" || u.Host == "api.keap.com") {
		login = "https://accounts.infusionsoft.com"
	}
	return &oauth2.Config{
		ClientID: o.config.ClientID, ClientSecret: o.config.ClientSecret.Reveal(), RedirectURL: o.config.RedirectURL,
		Scopes:   []string{"full"}, // the only one
		Endpoint: oauth2.Endpoint{AuthURL: login + "/app/oauth/authorize", TokenURL: root + "/token", AuthStyle: style},
	}
}

// LoginURL is the page where a person allows access. state comes back with the code and must be checked.
func (o *OAuth2) LoginURL(state string) string {
	return o.endpoints(oauth2.AuthStyleInParams).AuthCodeURL(state)
}

// Exchange turns the code that the login page gave into tokens and stores them, in place of any old ones.
func (o *OAuth2) Exchange(ctx context.Context, code string) (Tokens, error) {
	done, err := o.take(ctx)
	if err != nil {
		return Tokens{}, err
	}
	defer done()
	unlock, err := o.config.Store.Lock(ctx)
	if err != nil {
		return Tokens{}, storeError(err)
	}
	defer unlock()
	_, revision, err := o.config.Store.Load(ctx)
	if err != nil && !errors.Is(err, ErrNoTokens) {
		return Tokens{}, storeError(err)
	}
	limited, cancel := o.detached(ctx)
	defer cancel()
	got, err := o.endpoints(oauth2.AuthStyleInParams).Exchange(limited, code)
	if err != nil {
		return Tokens{}, o.tokenError(err, "the code was used already or is too old", nil)
	}
	t := tokensOf(got)
	return t, o.keep(limited, t, revision)
}

// Kind is OAuth.
func (o *OAuth2) Kind() CredentialKind { return OAuth }

// Masked shows the end of the access token in use.
func (o *OAuth2) Masked() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tokens.Access.Masked()
}

// refreshAhead is how long before its end an access token is replaced.
const refreshAhead = 5 * time.Minute

func (t *Tokens) fresh() bool {
	return !t.Access.Empty() && (t.Expires.IsZero() || time.Until(t.Expires) > refreshAhead)
}

// Authorize returns an access token, a new one if the old one has less than five minutes to live.
func (o *OAuth2) Authorize(ctx context.Context) (Proof, error) {
	o.mu.Lock()
	t := o.tokens
	o.mu.Unlock()
	if !t.fresh() {
		var err error
		if t, err = o.renew(ctx, ""); err != nil {
			return Proof{}, err
		}
	}
	return Proof{Value: t.Access, Bearer: true}, nil
}

// Refused replaces a token that Keap refuses, once in a call: a second 401 with a new token means that the login
// itself is worth nothing.
func (o *OAuth2) Refused(ctx context.Context, r Refusal) (bool, error) {
	if r.Total > 1 {
		return false, nil
	}
	_, err := o.renew(ctx, r.Proof.Value.Reveal())
	return err == nil, err
}

// take waits for this process's turn.
func (o *OAuth2) take(ctx context.Context) (done func(), err error) {
	select {
	case o.turn <- struct{}{}:
		return func() { <-o.turn }, nil
	case <-ctx.Done():
		return nil, &Error{Kind: KindCancelled, Operation: "token", Message: "given up while waiting for a token", Err: ctx.Err()}
	}
}

// renew returns a pair other than the refused one: what another goroutine or process has stored meanwhile, else a
// refreshed one.
func (o *OAuth2) renew(ctx context.Context, refused string) (Tokens, error) {
	done, err := o.take(ctx)
	if err != nil {
		return Tokens{}, err
	}
	defer done()
	if t, ok := o.cached(refused); ok {
		return t, nil
	}
	unlock, err := o.config.Store.Lock(ctx)
	if err != nil {
		return Tokens{}, storeError(err)
	}
	defer unlock()
	stored, revision, err := o.config.Store.Load(ctx)
	if errors.Is(err, ErrNoTokens) {
		return Tokens{}, &Error{Kind: KindCredential, Operation: "token", Message: "nobody has logged in yet", Hint: hints[KindCredential], Err: err}
	}
	if err != nil {
		return Tokens{}, storeError(err)
	}
	limited, cancel := o.detached(ctx)
	defer cancel()
	if t, ok := o.pending(); ok {
		return t, o.keep(limited, t, revision)
	}
	if stored.fresh() && !stored.Access.Equal(refused) {
		o.use(stored)
		return stored, nil
	}
	return o.refresh(limited, stored, revision)
}

// refresh uses the refresh token up. The lock is held.
func (o *OAuth2) refresh(ctx context.Context, stored Tokens, revision uint64) (Tokens, error) {
	if o.knownLost(stored.Refresh) {
		return Tokens{}, refreshLost()
	}
	old := &oauth2.Token{RefreshToken: stored.Refresh.Reveal()}
	got, err := o.endpoints(oauth2.AuthStyleInHeader).TokenSource(ctx, old).Token()
	if err != nil {
		failed := o.tokenError(err, "", ErrRefreshLost)
		if errors.Is(failed, ErrRefreshLost) {
			o.mu.Lock()
			o.lost = stored.Refresh
			o.mu.Unlock()
		}
		return Tokens{}, failed
	}
	t := tokensOf(got)
	if t.Tenant == "" {
		t.Tenant = stored.Tenant
	}
	return t, o.keep(ctx, t, revision)
}

// detached outlives the caller: a refresh that is under way must end with a stored pair even if nobody waits.
func (o *OAuth2) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.timeout)
	return context.WithValue(limited, oauth2.HTTPClient, o.client), cancel
}

// keep stores a new pair and only then lets it be used. A pair that the store does not take waits for the next try.
func (o *OAuth2) keep(ctx context.Context, t Tokens, revision uint64) error {
	_, err := o.config.Store.Save(ctx, t, revision)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case errors.Is(err, ErrStale): // somebody has logged in anew: their pair counts
		o.unsaved = nil
		return storeError(err)
	case err != nil:
		o.unsaved = &t
		return storeError(err)
	}
	o.tokens, o.unsaved = t, nil
	return nil
}

func (o *OAuth2) cached(refused string) (Tokens, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.tokens, o.tokens.fresh() && !o.tokens.Access.Equal(refused)
}

func (o *OAuth2) pending() (Tokens, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unsaved == nil {
		return Tokens{}, false
	}
	return *o.unsaved, true
}

func (o *OAuth2) use(t Tokens) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tokens = t
}

func (o *OAuth2) knownLost(refresh secret.Text) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return refresh.Empty() || o.lost.Equal(refresh.Reveal())
}

// tokensOf reads an answer of the token endpoint. The tenant stands in the scope: "full|ab123.infusionsoft.com".
func tokensOf(got *oauth2.Token) Tokens {
	t := Tokens{Access: secret.New(got.AccessToken), Refresh: secret.New(got.RefreshToken), Expires: got.Expiry}
	if scope, ok := got.Extra("scope").(string); ok {
		if _, host, found := strings.Cut(scope, "|"); found {
			t.Tenant = tenant(host)
		}
	}
	return t
}

func refreshLost() *Error {
	return &Error{Kind: KindCredential, Operation: "token", Err: ErrRefreshLost,
		Message: "the login is lost: its refresh token was used elsewhere, revoked, or is older than 45 days", Hint: hints[KindCredential]}
}

func storeError(err error) *Error {
	return &Error{Kind: KindUnreachable, Operation: "token", Message: "the store of tokens does not answer; nothing was sent",
		Hint: "see the state of NATS; the call is repeated by itself", Err: err}
}

// tokenError names a failure of the token endpoint. grant is the cause of a refused grant (nil: none in particular).
// What is worth another try is KindUnreachable whatever happened: the operation itself was not sent.
func (o *OAuth2) tokenError(err error, refused string, grant error) *Error {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) {
		return &Error{Kind: KindUnreachable, Operation: "token", Hint: hints[KindUnreachable], Err: err,
			Message: "no token from Keap's token endpoint"}
	}
	status := said.Response.StatusCode
	e := &Error{Operation: "token", Status: status, Code: oneLine(said.ErrorCode), Err: err}
	switch {
	case said.ErrorCode == "invalid_client" || status == http.StatusUnauthorized:
		e.Kind, e.Message = KindCredential, "Keap does not accept client_id and client_secret"
		e.Hint = "compare both with keys.developer.keap.com"
	case status == http.StatusBadRequest && grant != nil && (said.ErrorCode == "invalid_grant" || said.ErrorCode == "invalid_request"):
		return refreshLost()
	case status == http.StatusBadRequest:
		e.Kind, e.Message, e.Hint = KindCredential, "Keap refused the login", hints[KindCredential]
		if refused != "" {
			e.Message += ": " + refused
		}
	default:
		e.Kind, e.Message, e.Hint = KindUnreachable, fmt.Sprintf("Keap's token endpoint answered %d", status), hints[KindOverloaded]
	}
	return e
}
