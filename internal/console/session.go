package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	cookieName = "bridge_session"
	// sessionLife is how long a browser stays logged in.
	sessionLife = 12 * time.Hour
	// maxSessions bounds the memory that logging in can take.
	maxSessions = 1000
)

// identity is who asks.
type identity struct {
	role Role
	name string // for the audit
	csrf string // what forms have to send back; "" where no browser asks
}

type session struct {
	identity
	ends time.Time
}

// sessions are the browsers that are logged in, by the hash of their cookie. Logins are throttled: a few at once, then
// one every ten seconds from everybody together, so that guessing is hopeless and logging in always possible soon.
type sessions struct {
	mu      sync.Mutex
	byHash  map[[sha256.Size]byte]session
	attempt *rate.Limiter
}

func newSessions() *sessions {
	return &sessions{byHash: map[[sha256.Size]byte]session{}, attempt: rate.NewLimiter(rate.Every(10*time.Second), 10)}
}

func randomText() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// begin makes a session and its cookie.
func (s *sessions) begin(t Token, secure bool, now time.Time) *http.Cookie {
	text := randomText()
	s.mu.Lock()
	defer s.mu.Unlock()
	for hash, old := range s.byHash {
		if now.After(old.ends) {
			delete(s.byHash, hash)
		}
	}
	if len(s.byHash) >= maxSessions {
		clear(s.byHash)
	}
	s.byHash[sha256.Sum256([]byte(text))] = session{identity{t.Role, t.Name, randomText()}, now.Add(sessionLife)}
	return &http.Cookie{
		Name: cookieName, Value: text, Path: "/", MaxAge: int(sessionLife / time.Second),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode,
	}
}

func (s *sessions) of(r *http.Request, now time.Time) (identity, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return identity{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byHash[sha256.Sum256([]byte(cookie.Value))]
	if !ok || now.After(found.ends) {
		return identity{}, false
	}
	return found.identity, true
}

func (s *sessions) end(r *http.Request) *http.Cookie {
	if cookie, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.byHash, sha256.Sum256([]byte(cookie.Value)))
		s.mu.Unlock()
	}
	return &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}
