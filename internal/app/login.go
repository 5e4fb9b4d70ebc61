package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"bridge/internal/keap"
	"bridge/internal/ops"
)

// loginTime is how long a person may take in the browser; DefaultRedirect is where it is sent then, unless the
// configuration says otherwise.
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
		return ops.Login{}, &ops.Error{Kind: ops.Conflict, Message: errNoSecretKey.Error(), Hint: "set BRIDGE_SECRET_KEY (openssl rand -base64 32) for every process, and keep a copy of it"}
	}
	if redirect == "" {
		if redirect = acc.Keap.OAuth2.RedirectURL; redirect == "" {
			redirect = DefaultRedirect
		}
	}
	if u, err := url.Parse(redirect); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ops.Login{}, &ops.Error{Kind: ops.Invalid, Message: "the redirect address is no http(s) address"}
	}
	login, err := v.app.groups.login(acc, redirect)
	if err != nil {
		return ops.Login{}, people(err)
	}
	state := randomToken()
	p := pendingLogin{Account: account, Redirect: redirect, Ends: time.Now().Add(loginTime).UTC()}
	value, err := json.Marshal(p)
	if err != nil {
		return ops.Login{}, err
	}
	if _, err := v.app.queue.SaveNote(ctx, loginNote(state), value, 0); err != nil {
		return ops.Login{}, err
	}
	return ops.Login{URL: login.LoginURL(state), State: state, Redirect: redirect, Ends: p.Ends}, nil
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
	if _, err := v.app.queue.SaveNote(ctx, loginNote(state), nil, revision); err != nil {
		return ops.Credential{}, err
	}
	login, err := v.app.groups.login(acc, p.Redirect)
	if err != nil {
		return ops.Credential{}, people(err)
	}
	tokens, err := login.Exchange(ctx, code)
	if err != nil {
		return ops.Credential{}, people(err)
	}
	if acc.App != "" && tokens.Tenant != "" && tokens.Tenant != acc.App {
		v.app.set.Log.Warn("the login is for another Keap application than configured", "account", account, "app", acc.App, "login", tokens.Tenant)
	}
	now := time.Now().UTC()
	v.app.groups.keys.loggedIn(account, keyName(keap.OAuth, acc.Keap.OAuth2.ClientID), now)
	return ops.Credential{Name: string(keap.OAuth), Kind: kindWords(keap.OAuth), Masked: tokens.Access.Masked(), Created: now, Active: true}, nil
}

// login is the OAuth2 client of an account with a redirect address of its own.
func (gs *groups) login(acc *account, redirect string) (*keap.OAuth2, error) {
	k := acc.Keap.OAuth2
	return keap.NewOAuth2(keap.OAuth2Config{
		ClientID: k.ClientID, ClientSecret: k.ClientSecret, RedirectURL: redirect,
		BaseURL: gs.baseURL, Store: gs.tokens(acc.Name), Transport: gs.transport,
	})
}
