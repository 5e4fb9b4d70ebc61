package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"bridge/internal/queue"
)

// keapHooks is what sources of kind keap have to know about the bridge's own dealings with Keap. Handshakes that are
// expected stand in a note of the queue, so that every process that takes webhooks knows of them; so do the bridge's own
// writes, for a while. Safe for concurrent use.
type keapHooks struct {
	mu    sync.Mutex
	notes notes                              // nil while a start waits for NATS
	wrote map[string]map[string][2]time.Time // first and last write, by account and thing
}

const (
	// handshakeTime is how long a subscription of ours may take to be verified.
	handshakeTime = 2 * time.Minute
	// echoTime is how late Keap's hook for a write may come: 60 s, and some for its retries.
	echoTime = 3 * time.Minute
)

// notes are what processes share; *queue.Queue has them.
type notes interface {
	Note(ctx context.Context, name string) (value []byte, revision uint64, err error)
	SaveNote(ctx context.Context, name string, value []byte, revision uint64) (uint64, error)
	Contact(ctx context.Context, group, contact string) (value []byte, known bool, err error)
	SaveContact(ctx context.Context, group, contact string, value []byte, ttl time.Duration) error
}

func newKeapHooks() *keapHooks {
	return &keapHooks{wrote: map[string]map[string][2]time.Time{}}
}

// use says where the notes are.
func (k *keapHooks) use(n notes) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes = n
}

// book is where the notes are, nil when they cannot be had yet.
func (k *keapHooks) book() notes {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.notes
}

func handshakeNote(account, source string) string { return "handshake/" + account + "/" + source }

// expect opens the door for handshakes of a source for a while.
func (k *keapHooks) expect(ctx context.Context, account, source string) error {
	for {
		_, revision, err := k.book().Note(ctx, handshakeNote(account, source))
		if err != nil {
			return err
		}
		until, err := time.Now().Add(handshakeTime).UTC().MarshalText()
		if err != nil {
			return err
		}
		_, err = k.book().SaveNote(ctx, handshakeNote(account, source), until, revision)
		if !errors.Is(err, queue.ErrConflict) {
			return err
		}
	}
}

// Pending implements sources.KeapHooks. It is asked for handshakes with the right address only, which are rare.
func (k *keapHooks) Pending(account, source string) bool {
	notes := k.book()
	if notes == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	value, _, err := notes.Note(ctx, handshakeNote(account, source))
	var until time.Time
	return err == nil && until.UnmarshalText(value) == nil && time.Now().Before(until)
}

// Ours implements sources.KeapHooks: a change of a thing that the bridge wrote a moment before is taken for its own.
func (k *keapHooks) Ours(account, eventKey, objectID string, at time.Time) bool {
	name := thing(eventKey[:max(strings.LastIndexByte(eventKey, '.'), 0)], objectID)
	k.mu.Lock()
	w, ok := k.wrote[account][name]
	notes := k.notes
	k.mu.Unlock()
	if !ok && notes == nil {
		return false
	}
	if !ok { // another process may have written it
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		value, _, err := notes.Contact(ctx, echoGroup, account+"/"+name)
		if err != nil || w[0].UnmarshalText(value) != nil {
			return false
		}
		w[1] = w[0]
	}
	return !at.Before(w[0].Add(-time.Minute)) && at.Before(w[1].Add(echoTime))
}

// echoGroup is where the memory keeps writes; no quota group has this name.
const echoGroup = "own-writes"

// thing names a thing of Keap as its hooks do: contact/42.
func thing(kind, id string) string { return kind + "/" + id }

// written remembers a write to a thing, and forgets old ones now and then.
func (k *keapHooks) written(ctx context.Context, account, name string, at time.Time) error {
	k.remember(account, name, at)
	value, err := at.UTC().MarshalText()
	if err != nil {
		return err
	}
	return k.book().SaveContact(ctx, echoGroup, account+"/"+name, value, 2*echoTime)
}

func (k *keapHooks) remember(account, name string, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of := k.wrote[account]
	if of == nil {
		of = map[string][2]time.Time{}
		k.wrote[account] = of
	}
	w, ok := of[name]
	if !ok || at.Sub(w[1]) > 2*echoTime {
		w[0] = at
	}
	w[1] = at
	of[name] = w
	if len(of)%1024 == 0 {
		for id, old := range of {
			if at.Sub(old[1]) > 2*echoTime {
				delete(of, id)
			}
		}
	}
}
