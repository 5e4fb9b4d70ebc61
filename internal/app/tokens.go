package app

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bridge/internal/keap"
	"bridge/internal/queue"
	"bridge/internal/secret"
)

// tokenStore keeps the tokens of one account's OAuth2 login in the queue's notes, encrypted, for every process.
type tokenStore struct {
	queue   *queue.Queue
	account string
	key     secret.Text // BRIDGE_SECRET_KEY
}

// errNoSecretKey says what OAuth2 needs.
var errNoSecretKey = errors.New("OAuth2 needs BRIDGE_SECRET_KEY: tokens are stored encrypted with it")

// storedTokens is the plain form of a note.
type storedTokens struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh"`
	Expires time.Time `json:"expires,omitzero"`
	Tenant  string    `json:"tenant,omitempty"`
}

func (s *tokenStore) name() string { return "tokens/" + s.account }

// Load implements keap.TokenStore.
func (s *tokenStore) Load(ctx context.Context) (keap.Tokens, uint64, error) {
	sealed, rev, err := s.queue.Note(ctx, s.name())
	if err != nil {
		return keap.Tokens{}, 0, err
	}
	if sealed == nil {
		return keap.Tokens{}, 0, keap.ErrNoTokens
	}
	plain, err := unseal(s.key, s.name(), sealed)
	if err != nil {
		return keap.Tokens{}, 0, err
	}
	var t storedTokens
	if err := json.Unmarshal(plain, &t); err != nil {
		return keap.Tokens{}, 0, fmt.Errorf("the stored tokens cannot be read: %w", err)
	}
	return keap.Tokens{Access: secret.New(t.Access), Refresh: secret.New(t.Refresh), Expires: t.Expires, Tenant: t.Tenant}, rev, nil
}

// Save implements keap.TokenStore.
func (s *tokenStore) Save(ctx context.Context, t keap.Tokens, revision uint64) (uint64, error) {
	plain, err := json.Marshal(storedTokens{t.Access.Reveal(), t.Refresh.Reveal(), t.Expires, t.Tenant})
	if err != nil {
		return 0, err
	}
	sealed, err := seal(s.key, s.name(), plain)
	if err != nil {
		return 0, err
	}
	rev, err := s.queue.SaveNote(ctx, s.name(), sealed, revision)
	if errors.Is(err, queue.ErrConflict) {
		return 0, keap.ErrStale
	}
	return rev, err
}

// Lock implements keap.TokenStore.
func (s *tokenStore) Lock(ctx context.Context) (unlock func(), err error) {
	return s.queue.LockNote(ctx, s.name())
}

// sealer is AES-256-GCM under a key made of the configured text. Random nonces are safe for far more writes than
// one a day for each account.
func sealer(key secret.Text) (cipher.AEAD, error) {
	if key.Empty() {
		return nil, errNoSecretKey
	}
	sum := sha256.Sum256([]byte("bridge credentials\x00" + key.Reveal()))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal encrypts plain and binds it to its name, so that one account's tokens cannot stand in for another's.
func seal(key secret.Text, name string, plain []byte) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

func unseal(key secret.Text, name string, sealed []byte) ([]byte, error) {
	aead, err := sealer(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("the stored tokens are damaged")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(name))
	if err != nil {
		return nil, errors.New("the stored tokens cannot be decrypted: is BRIDGE_SECRET_KEY the one they were stored with?")
	}
	return plain, nil
}
