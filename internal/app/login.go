package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"bridge/internal/keap"
	"bridge/internal/ops"
)

// loginTime is how long a person may take in the browser; DefaultRedirect is where it is sent then when neither the
// configuration nor PUBLIC_URL says where: bridge keys login waits there.
const (
	loginTime       = 15 * time.Minute
	DefaultRedirect = "http://127.0.0.1:8765/"
)

// pendingLogin is a login that has begun. It is a note, so that any process can end it.
type pendingLogin struct {
	Account  string    `json:"account"`
	Redirect string    `json:"redirect"`
	Ends     time.Time `json:"ends"`
}

func loginNote(state string) string { return "login/" + state }

// BeginLogin implements ops.Keap.
func (v *visits) BeginLogin(ctx context.Context, account, redirect string) (ops.Login, error) {
	acc := v.app.worlds.find(account)
	if acc == nil || acc.Keap.OAuth2 == nil {
		return ops.Login{}, &ops.Error{Kind: ops.Conflict, Message: fmt.Sprintf("account %q does not log in: its configuration has no keap.oauth2", account),
			Hint: "keys need no login; bridge keys ls shows them"}
	}
	if v.app.set.Env.SecretKey.Empty() {
		return ops.Login{}, &ops.Error{Kind: ops.Conflict, Message: errNoSecretKey.Error(), Hint: "set BRIDGE_SECRET_KEY (openssl rand -hex 32) for every process, and keep a copy of it"}
	}
	if redirect == "" {
		redirect = v.redirect(acc)
	}
	if u, err := url.Parse(redirect); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ops.Login{}, &ops.Error{Kind: ops.Invalid, Message: "the redirect address is no http(s) address"}
	}
	login, err := v.app.groups.login(acc, redirect, v.app.groups.tokens(account))
	if err != nil {
		return ops.Login{}, people(err)
	}
	state := randomToken()
	p := pendingLogin{Account: account, Redirect: redirect, Ends: time.Now().Add(loginTime).UTC()}
	value, err := json.Marshal(p)
	if err != nil {
		return ops.Login{}, err
	}
	if _, err := v.app.queue.SaveNoteFor(ctx, loginNote(state), value, 0, 2*loginTime); err != nil {
		return ops.Login{}, err
	}
	return ops.Login{URL: login.LoginURL(state), State: state, Redirect: redirect, Ends: p.Ends}, nil
}

// redirect is where the browser is sent unless the person says otherwise.
func (v *visits) redirect(acc *account) string {
	switch public := v.app.set.Env.PublicURL; {
	case acc.Keap.OAuth2.RedirectURL != "":
		return acc.Keap.OAuth2.RedirectURL
	case public != "":
		return strings.TrimSuffix(public, "/") + callbackPath
	}
	return DefaultRedirect
}

// EndLogin implements ops.Keap. A state works once.
func (v *visits) EndLogin(ctx context.Context, account, state, code string) (ops.Credential, error) {
	value, revision, err := v.app.queue.Note(ctx, loginNote(state))
	if err != nil {
		return ops.Credential{}, err
	}
	var p pendingLogin
	if len(value) > 0 {
		if err := json.Unmarshal(value, &p); err != nil {
			return ops.Credential{}, err
		}
	}
	acc := v.app.worlds.find(account)
	if acc == nil || acc.Keap.OAuth2 == nil || p.Account != account || time.Now().After(p.Ends) {
		return ops.Credential{}, &ops.Error{Kind: ops.Conflict, Message: "this login was not begun here, has ended already or took too long", Hint: "run bridge keys login again"}
	}
	if _, err := v.app.queue.SaveNoteFor(ctx, loginNote(state), nil, revision, loginTime); err != nil {
		return ops.Credential{}, err
	}
	store := &appStore{v.app.groups.tokens(account), acc.App}
	login, err := v.app.groups.login(acc, p.Redirect, store)
	if err != nil {
		return ops.Credential{}, people(err)
	}
	tokens, err := login.Exchange(ctx, code)
	var other *otherApp
	if errors.As(err, &other) {
		return ops.Credential{}, &ops.Error{Kind: ops.Conflict, Message: other.Error(), Cause: err,
			Hint: "run bridge keys login again and choose " + acc.App + " on Keap's page, or correct app: in the configuration"}
	}
	if err != nil {
		return ops.Credential{}, people(err)
	}
	now := time.Now().UTC()
	v.app.groups.keys.loggedIn(account, keyName(keap.OAuth, acc.Keap.OAuth2.ClientID), now)
	return ops.Credential{Name: string(keap.OAuth), Kind: kindWords(keap.OAuth), Masked: tokens.Access.Masked(), Created: now, Active: true}, nil
}

// appStore takes tokens of one Keap application only: those of another would write its contacts into a stranger's CRM.
type appStore struct {
	keap.TokenStore
	app string // "": any
}

// otherApp says that a login was for another application.
type otherApp struct{ got, want string }

func (e *otherApp) Error() string {
	return fmt.Sprintf("the login is for the Keap application %s, the configuration says %s: nothing was stored", e.got, e.want)
}

// Save implements keap.TokenStore.
func (s *appStore) Save(ctx context.Context, t keap.Tokens, revision uint64) (uint64, error) {
	if s.app != "" && t.Tenant != "" && !strings.EqualFold(t.Tenant, s.app) {
		return 0, &otherApp{t.Tenant, s.app}
	}
	return s.TokenStore.Save(ctx, t, revision)
}

// login is the OAuth2 client of an account.
func (gs *groups) login(acc *account, redirect string, store keap.TokenStore) (*keap.OAuth2, error) {
	k := acc.Keap.OAuth2
	return keap.NewOAuth2(keap.OAuth2Config{
		ClientID: k.ClientID, ClientSecret: k.ClientSecret, RedirectURL: redirect,
		BaseURL: gs.baseURL, Store: store, Transport: gs.transport,
	})
}
