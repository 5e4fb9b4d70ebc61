package sandbox

import (
	"fmt"
	"strings"
	"time"
)

// credential is who calls.
type credential struct {
	value  string
	app    string // tenant
	client string // OAuth2 client id; "" for keys
}

// Keap's bodies for refused credentials (measured on 11 August 2026; the last is Apigee's own, not seen at Keap).
const (
	noCredential  = `{"fault":{"faultstring":"Invalid access token","detail":{"errorcode":"oauth.v2.InvalidAccessToken"}}}`
	badCredential = `{"fault":{"faultstring":"Invalid Access Token","detail":{"errorcode":"keymanagement.service.invalid_access_token"}}}`
	expiredAccess = `{"fault":{"faultstring":"Access Token expired","detail":{"errorcode":"keymanagement.service.access_token_expired"}}}`
)

// authenticateLocked says who calls, or gives the body of the 401. Every key that is not known to be revoked is good: a
// tenant is made for it. What is known of a refused one goes into the log. X-Keap-API-Key wins over Authorization, and
// both over ?access_token=, which Keap's own PHP library sends to XML-RPC and REST alike.
func (s *Server) authenticateLocked(req *request, now time.Time) (credential, string) {
	value := req.header.Get("X-Keap-API-Key")
	if value == "" {
		if scheme, token, ok := strings.Cut(req.header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
			value = strings.TrimSpace(token)
		}
	}
	if value == "" {
		value = req.query.Get("access_token")
	}
	if value == "" {
		return credential{}, noCredential
	}
	if t, ok := s.oauth.access[value]; ok {
		if !now.Before(t.expires) {
			return credential{value: value, app: t.app}, expiredAccess
		}
		return credential{value: value, app: t.app, client: t.client}, ""
	}
	if s.oauth.isToken(value) {
		return credential{value: value}, badCredential
	}
	k := s.settings.keys[value]
	if k.State == "revoked" {
		return credential{value: value, app: k.App}, badCredential
	}
	if k.App == "" {
		k.App = s.appLocked(value)
	}
	return credential{value: value, app: k.App}, ""
}

// appLocked is the application code of a credential that no setting placed: two letters and three digits, in
// order of first use.
func (s *Server) appLocked(owner string) string {
	app, ok := s.keyApps[owner]
	if !ok {
		n := len(s.keyApps)
		app = fmt.Sprintf("%c%c%03d", 's'+rune(n/25_000%8), 'b'+rune(n/1000%25), n%1000)
		s.keyApps[owner] = app
	}
	return app
}

// mask shows the end of a credential, as Keap's own settings page does.
func mask(value string) string {
	if value == "" {
		return ""
	}
	if len(value) < 10 {
		return "*****"
	}
	return "*****" + value[len(value)-5:]
}
