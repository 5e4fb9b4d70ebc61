package keap

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"bridge/internal/secret"
)

// CredentialKind is how an account proves itself. It decides the quota.
type CredentialKind string

// The kinds of credentials.
const (
	SAK   CredentialKind = "service_account_key"
	PAT   CredentialKind = "personal_access_token"
	OAuth CredentialKind = "oauth2"
)

// Limits are calls per window.
type Limits struct{ Second, Minute, Day int }

// DefaultLimits are Keap's published limits for a kind of credential (developer portal, 2026). Headers overrule them.
func DefaultLimits(kind CredentialKind) Limits {
	if kind == OAuth {
		return Limits{Second: 25, Minute: 1500, Day: 150_000}
	}
	return Limits{Second: 10, Minute: 240, Day: 30_000}
}

// TenantLimits are the limits of all credentials of one tenant together, since 8 June 2026. None is per second.
func TenantLimits() Limits { return Limits{Minute: 10_000, Day: 250_000} }

// Credential proves an account to Keap. It is safe for concurrent use. The implementations are
// ServiceAccountKey, PersonalAccessToken and OAuth2.
type Credential interface {
	Kind() CredentialKind
	// Masked is what may be shown of the value in use: "*****c5169".
	Masked() string
	// Authorize returns what to send now. It may refresh tokens. Errors are *Error of Kind Credential, or those of
	// the token endpoint.
	Authorize(ctx context.Context) (Proof, error)
	// Refused reports that Keap answered 401. It returns whether asking Authorize again may help.
	Refused(ctx context.Context, r Refusal) (again bool, err error)
}

// Proof is what one request shows to Keap.
type Proof struct {
	Value  secret.Text
	Bearer bool // Authorization: Bearer; otherwise X-Keap-API-Key
}

func (p Proof) apply(h http.Header) {
	if p.Bearer {
		h.Set("Authorization", "Bearer "+p.Value.Reveal())
		return
	}
	h.Set("X-Keap-API-Key", p.Value.Reveal())
}

// hide takes the value out of text that Keap said.
func (p Proof) hide(text string) string {
	if p.Value.Empty() {
		return text
	}
	return strings.ReplaceAll(text, p.Value.Reveal(), p.Value.Masked())
}

// Refusal is one 401.
type Refusal struct {
	Proof Proof // that was refused
	Same  int   // how often this call has seen this very value refused, this time included
	Total int   // how often this call has been refused altogether
}

// legacyKey is the form of the encrypted API keys of old.
var legacyKey = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)

// CheckKey tells whether text can be a key of the kind. It finds the mistakes that can be seen without asking Keap:
// an empty key, blanks, a legacy key, a personal access token given as a service account key.
func CheckKey(kind CredentialKind, key secret.Text) error {
	text := key.Reveal()
	refuse := func(message, hint string) error {
		return &Error{Kind: KindCredential, Field: string(kind), Message: message, Hint: hint}
	}
	switch {
	case text == "":
		return refuse("the "+kind.name()+" is empty", "set the variable or file that the configuration names")
	case legacyKey.MatchString(text):
		return refuse("this is a legacy API key; Keap disabled them from 31 October 2024 and revoked the last in early 2025",
			"make a service account key under Settings > API in Keap and give it as service_account_key")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return refuse("the "+kind.name()+" holds blanks or characters that no key has", "copy it again, without quotes and line breaks")
	case kind == SAK && !strings.HasPrefix(text, "KeapAK-"):
		return refuse("this is no service account key: those begin with KeapAK-", "give personal access tokens as personal_access_token")
	}
	return nil
}

func (k CredentialKind) name() string { return strings.ReplaceAll(string(k), "_", " ") }

// keys is a static key with an optional successor.
type keys struct {
	kind CredentialKind
	keys []secret.Text // the key and, where given, the next one

	mu sync.Mutex
	at int // index of the key in use
}

// ServiceAccountKey is the credential of a service account key. next, which may be empty, takes over for good at
// the first confirmed 401 of key. Errors are those of CheckKey.
func ServiceAccountKey(key, next secret.Text) (Credential, error) {
	return newKeys(SAK, key, next)
}

// PersonalAccessToken is the credential of a personal access token; next as in ServiceAccountKey.
func PersonalAccessToken(token, next secret.Text) (Credential, error) {
	return newKeys(PAT, token, next)
}

func newKeys(kind CredentialKind, key, next secret.Text) (*keys, error) {
	k := &keys{kind: kind, keys: []secret.Text{key}}
	if err := CheckKey(kind, key); err != nil {
		return nil, err
	}
	if !next.Empty() {
		if err := CheckKey(kind, next); err != nil {
			return nil, err
		}
		k.keys = append(k.keys, next)
	}
	return k, nil
}

func (k *keys) Kind() CredentialKind { return k.kind }

func (k *keys) Masked() string { return k.current().Masked() }

func (k *keys) current() secret.Text {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[k.at]
}

func (k *keys) Authorize(context.Context) (Proof, error) { return Proof{Value: k.current()}, nil }

// Refused has a 401 confirmed by a second try with the same key, because the gateway's nodes do not learn of new
// and deleted keys at the same moment, and then turns to the next key.
func (k *keys) Refused(_ context.Context, r Refusal) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !k.keys[k.at].Equal(r.Proof.Value.Reveal()): // another call has switched meanwhile
		return true, nil
	case r.Same < 2:
		return true, nil
	case k.at+1 < len(k.keys):
		k.at++
		return true, nil
	}
	return false, nil
}
