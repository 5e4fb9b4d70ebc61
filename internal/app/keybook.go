package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"bridge/internal/keap"
	"bridge/internal/queue"
)

// keyBook remembers of every key when it was first and last used and what Keap last had against it. Keap tells none of
// that. Keys are named by a hash. It is a note for each account, so that it outlives restarts and every process has it;
// what happened in the last seconds may be missing from it. Safe for concurrent use.
type keyBook struct {
	queue *queue.Queue
	log   *slog.Logger

	mu    sync.Mutex
	fresh map[string]map[string]keyUse // not stored yet: by account and key
	kept  map[string]keptUses          // as stored a moment ago, by account
	soon  chan struct{}                // something that nobody else knows yet
}

type keptUses struct {
	uses map[string]keyUse
	at   time.Time
}

// keyUse is what is known of a key.
type keyUse struct {
	First   time.Time `json:"first,omitzero"`
	Login   time.Time `json:"login,omitzero"` // OAuth2: when somebody logged in
	Last    time.Time `json:"last,omitzero"`
	Error   string    `json:"error,omitempty"`
	ErrorAt time.Time `json:"error_at,omitzero"`
}

// join adds what another process saw.
func (u keyUse) join(o keyUse) keyUse {
	if u.First.IsZero() || !o.First.IsZero() && o.First.Before(u.First) {
		u.First = o.First
	}
	if o.Login.After(u.Login) {
		u.Login = o.Login
	}
	if o.Last.After(u.Last) {
		u.Last = o.Last
	}
	if o.ErrorAt.After(u.ErrorAt) {
		u.Error, u.ErrorAt = o.Error, o.ErrorAt
	}
	return u
}

// failure is what is wrong with a key now: an error that no success has followed.
func (u keyUse) failure() string {
	if u.Error == "" || u.ErrorAt.Before(u.Last) {
		return ""
	}
	return u.Error + " at " + u.ErrorAt.UTC().Format("2006-01-02 15:04 UTC")
}

// keyBookPause is how often what is new is stored; a key's first use and what Keap has against it are stored at once.
// keyBookKeep is for how long the stored form is believed, and keyBookEmpty for how long it is believed that there is none.
const (
	keyBookPause = 15 * time.Second
	keyBookKeep  = 15 * time.Second
	keyBookEmpty = time.Second
)

func newKeyBook(q *queue.Queue, log *slog.Logger) *keyBook {
	return &keyBook{queue: q, log: log, fresh: map[string]map[string]keyUse{}, kept: map[string]keptUses{}, soon: make(chan struct{}, 1)}
}

// keyName names a key without showing it.
func keyName(kind keap.CredentialKind, value string) string {
	sum := sha256.Sum256([]byte("bridge key\x00" + string(kind) + "\x00" + value))
	return hex.EncodeToString(sum[:8])
}

// used notes that a key was shown to Keap, and what came of it.
func (b *keyBook) used(account, key string, at time.Time, failure string) {
	u := keyUse{First: at, Last: at}
	if failure != "" {
		u.Error, u.ErrorAt = failure, at
	}
	b.note(account, key, u)
}

// loggedIn notes that an OAuth2 client has new tokens from a person.
func (b *keyBook) loggedIn(account, key string, at time.Time) {
	b.note(account, key, keyUse{First: at, Login: at, Last: at})
}

func (b *keyBook) note(account, key string, u keyUse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.fresh[account]
	if of == nil {
		of = map[string]keyUse{}
		b.fresh[account] = of
	}
	if _, known := b.kept[account].uses[key]; !known || u.Error != "" {
		select {
		case b.soon <- struct{}{}:
		default:
		}
	}
	of[key] = of[key].join(u)
}

// follow stores what is new until ctx ends, and then once more.
func (b *keyBook) follow(ctx context.Context) error {
	tick := time.NewTicker(keyBookPause)
	defer tick.Stop()
	soon, rested := b.soon, (<-chan time.Time)(nil)
	for {
		select {
		case <-rested:
			soon, rested = b.soon, nil
			continue
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return b.store(last)
		case <-tick.C:
		case <-soon:
			soon, rested = nil, time.After(keyBookEmpty) // whoever is refused again and again is written once a second
		}
		if err := b.store(ctx); err != nil {
			b.log.Debug("the book of keys was not stored", "err", err)
		}
	}
}

func (b *keyBook) store(ctx context.Context) error {
	b.mu.Lock()
	fresh := b.fresh
	b.fresh = map[string]map[string]keyUse{}
	b.mu.Unlock()
	var errs []error
	for account, uses := range fresh {
		if err := b.merge(ctx, account, uses); err != nil {
			errs = append(errs, err)
			for key, u := range uses {
				b.note(account, key, u)
			}
		}
	}
	return errors.Join(errs...)
}

func (b *keyBook) merge(ctx context.Context, account string, uses map[string]keyUse) error {
	for {
		stored, revision, err := b.load(ctx, account)
		if err != nil {
			return err
		}
		for key, u := range uses {
			stored[key] = stored[key].join(u)
		}
		value, err := json.Marshal(stored)
		if err != nil {
			return err
		}
		_, err = b.queue.SaveNote(ctx, keyBookNote(account), value, revision)
		if errors.Is(err, queue.ErrConflict) {
			continue
		}
		if err == nil {
			b.mu.Lock()
			b.kept[account] = keptUses{stored, time.Now()}
			b.mu.Unlock()
		}
		return err
	}
}

func keyBookNote(account string) string { return "keys/" + account }

func (b *keyBook) load(ctx context.Context, account string) (uses map[string]keyUse, revision uint64, err error) {
	value, revision, err := b.queue.Note(ctx, keyBookNote(account))
	if err != nil {
		return nil, 0, err
	}
	uses = map[string]keyUse{}
	if value != nil {
		if err := json.Unmarshal(value, &uses); err != nil {
			return nil, 0, fmt.Errorf("the book of keys cannot be read: %w", err)
		}
	}
	return uses, revision, nil
}

// of tells what is known of an account's keys.
func (b *keyBook) of(ctx context.Context, account string) (map[string]keyUse, error) {
	b.mu.Lock()
	kept, ok := b.kept[account]
	b.mu.Unlock()
	believed := keyBookKeep
	if len(kept.uses) == 0 {
		believed = keyBookEmpty
	}
	if !ok || time.Since(kept.at) > believed {
		uses, _, err := b.load(ctx, account)
		if err != nil {
			return nil, err
		}
		kept = keptUses{uses, time.Now()}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept[account] = kept
	uses := maps.Clone(kept.uses)
	for key, u := range b.fresh[account] {
		uses[key] = uses[key].join(u)
	}
	return uses, nil
}

// witness watches which keys an account shows to Keap.
type witness struct {
	book    *keyBook
	account string
	login   string // name of the OAuth2 client; "" with keys
	next    http.RoundTripper
}

// witness is the transport of an account's client.
func (gs *groups) witness(account string) http.RoundTripper {
	w := &witness{book: gs.keys, account: account, next: gs.transport}
	if a := gs.worlds.find(account); a != nil && a.Keap.Kind() == keap.OAuth {
		w.login = keyName(keap.OAuth, a.Keap.OAuth2.ClientID)
	}
	return w
}

// RoundTrip implements http.RoundTripper.
func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	key := w.login
	if shown := r.Header.Get("X-Keap-API-Key"); shown != "" {
		key = shownKey(shown)
	}
	res, err := w.next.RoundTrip(r)
	if err != nil || key == "" {
		return res, err
	}
	failure := ""
	if res.StatusCode == http.StatusUnauthorized {
		failure = "Keap refused it with 401"
	}
	w.book.used(w.account, key, time.Now().UTC(), failure)
	return res, nil
}

// shownKey names a key by what is sent of it, whichever kind it is.
func shownKey(value string) string { return keyName("", value) }
