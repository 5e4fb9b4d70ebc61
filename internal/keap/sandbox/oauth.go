package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Lives of what the token endpoint gives out; Keap documents 24 hours and 45 days.
const (
	accessLife  = 24 * time.Hour
	refreshLife = 45 * 24 * time.Hour
	codeLife    = 10 * time.Minute
)

// oauth is the memory of the token endpoint.
type oauth struct {
	access  map[string]grant
	refresh map[string]grant
	codes   map[string]grant
	made    int
}

// grant is what a token stands for.
type grant struct {
	client, app, redirect string
	expires               time.Time
}

func newOAuth() oauth {
	return oauth{access: map[string]grant{}, refresh: map[string]grant{}, codes: map[string]grant{}}
}

// tokenPrefix begins every token given out here, so that one that was forgotten is told from an unknown key.
const tokenPrefix = "sandbox-"

func (o *oauth) isToken(value string) bool { return strings.HasPrefix(value, tokenPrefix) }

// newTokenLocked makes a token that does not repeat; it need not be a secret.
func (s *Server) newTokenLocked(kind string) string {
	s.oauth.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %d", s.opts.Seed, kind, s.oauth.made))
	return tokenPrefix + kind + "-" + hex.EncodeToString(sum[:12])
}

func (s *Server) serveOAuth(req *request, path string) answer {
	switch {
	case path == "/token" && req.method == http.MethodPost:
		a := s.token(req)
		s.mu.Lock()
		s.recordLocked(Line{At: s.nowLocked(), Operation: "token", Status: a.status, Method: req.method, Path: req.path}, closed{})
		s.mu.Unlock()
		return a
	case path == "/app/oauth/authorize" && req.method == http.MethodGet:
		return s.authorize(req)
	}
	return controlError(http.StatusMethodNotAllowed, "want POST /token or GET /app/oauth/authorize")
}

// authorize consents at once and sends the browser back with a code. The tenant is ?app=, else that of the key
// "client:<id>" in the settings, else one of the client's own.
func (s *Server) authorize(req *request) answer {
	client, back := req.query.Get("client_id"), req.query.Get("redirect_uri")
	to, err := url.Parse(back)
	if client == "" || req.query.Get("response_type") != "code" || err != nil || !safeRedirect(to) {
		return controlError(http.StatusBadRequest, "want client_id, response_type=code and an https or loopback redirect_uri")
	}
	s.mu.Lock()
	app := req.query.Get("app")
	if app == "" {
		app = s.settings.keys["client:"+client].App
	}
	if app == "" {
		app = s.appLocked("client:" + client)
	}
	code := s.newTokenLocked("code")
	s.oauth.codes[code] = grant{client, app, back, s.nowLocked().Add(codeLife)}
	s.mu.Unlock()
	q := to.Query()
	q.Set("code", code)
	q.Set("scope", "full|"+app+".infusionsoft.com")
	if state := req.query.Get("state"); state != "" {
		q.Set("state", state)
	}
	to.RawQuery = q.Encode()
	return answer{status: http.StatusFound, header: []headerField{{"Location", to.String()}}}
}

func safeRedirect(u *url.URL) bool {
	if u.Scheme == "https" {
		return u.Host != ""
	}
	host := u.Hostname()
	return u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1")
}

// token exchanges a code or a refresh token. A refresh token works once: its use gives a new pair and ends it.
func (s *Server) token(req *request) answer {
	form, err := url.ParseQuery(string(req.body))
	if err != nil || !strings.HasPrefix(req.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return oauthError(http.StatusBadRequest, "invalid_request", "The body must be application/x-www-form-urlencoded")
	}
	client, secret := form.Get("client_id"), form.Get("client_secret")
	if user, pass, ok := basic(req.header.Get("Authorization")); ok {
		client, secret = user, pass
	}
	if client == "" || secret == "" {
		return oauthError(http.StatusUnauthorized, "invalid_client", "Client identifier and secret are required")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	var g grant
	switch form.Get("grant_type") {
	case "authorization_code":
		code := form.Get("code")
		g = s.oauth.codes[code]
		delete(s.oauth.codes, code)
		if g.client != client || g.redirect != form.Get("redirect_uri") || !now.Before(g.expires) {
			return oauthError(http.StatusBadRequest, "invalid_grant", "Invalid authorization code")
		}
	case "refresh_token":
		old := form.Get("refresh_token")
		g = s.oauth.refresh[old]
		if g.client != client || !now.Before(g.expires) {
			return oauthError(http.StatusBadRequest, "invalid_grant", "Invalid refresh token")
		}
		delete(s.oauth.refresh, old)
	default:
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "Want authorization_code or refresh_token")
	}
	return controlJSON(s.issueLocked(g.client, g.app, now))
}

// Tokens is the answer of the token endpoint.
type Tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"` // seconds
	Refresh string `json:"refresh_token"`
	Scope   string `json:"scope"`
}

// Issue gives an OAuth2 client a pair of tokens for a tenant without the browser's round trip.
func (s *Server) Issue(client, app string) Tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issueLocked(client, app, s.nowLocked())
}

func (s *Server) issueLocked(client, app string, now time.Time) Tokens {
	out := Tokens{s.newTokenLocked("access"), "bearer", int(accessLife / time.Second), s.newTokenLocked("refresh"), "full|" + app + ".infusionsoft.com"}
	s.oauth.access[out.Access] = grant{client: client, app: app, expires: now.Add(accessLife)}
	s.oauth.refresh[out.Refresh] = grant{client: client, app: app, expires: now.Add(refreshLife)}
	return out
}

func basic(header string) (user, pass string, ok bool) {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok {
		return "", "", false
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	user, pass, ok = strings.Cut(string(b), ":")
	// RFC 6749 §2.3.1: both are form-encoded before; most clients send ids that need no encoding.
	if u, err := url.QueryUnescape(user); err == nil {
		user = u
	}
	return user, pass, ok
}

func oauthError(status int, code, description string) answer {
	b, _ := json.Marshal(map[string]string{"error": code, "error_description": description}) // texts only: cannot fail
	return answer{status: status, kind: "application/json", body: b}
}
