package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"bridge/internal/calls"
	"bridge/internal/queue"
)

// keapHooks is what sources of kind keap have to know about the bridge's own dealings with Keap. Handshakes that are
// expected stand in a note of the queue, so that every process that takes webhooks knows of them; so do the bridge's own
// writes, for a while. What others change is noted where the memory of contacts looks. Safe for concurrent use.
type keapHooks struct {
	groupOf func(account string) string // "" when the account is not configured; set before the first source is used
	log     *slog.Logger

	mu    sync.Mutex
	notes notes                              // nil while a start waits for NATS
	wrote map[string]map[string][2]time.Time // first and last write, by account and thing
}

const (
	// handshakeTime is how long a subscription of ours may take to be verified.
	handshakeTime = 2 * time.Minute
	// echoTime is how late Keap's hook for a write may come: 60 s, and some for its retries.
	echoTime = 3 * time.Minute
	// tellTime bounds what is looked up and noted while a hook waits for its answer.
	tellTime = 2 * time.Second
	// sameWrite is how far the time in a hook may be from when the bridge wrote what the hook is about.
	sameWrite = 5 * time.Second
)

// notes are what processes share; *queue.Queue has them.
type notes interface {
	Note(ctx context.Context, name string) (value []byte, revision uint64, err error)
	SaveNote(ctx context.Context, name string, value []byte, revision uint64) (uint64, error)
	Contact(ctx context.Context, group, contact string) (value []byte, known bool, err error)
	SaveContact(ctx context.Context, group, contact string, value []byte, ttl time.Duration) error
}

func newKeapHooks(log *slog.Logger) *keapHooks {
	return &keapHooks{log: log, wrote: map[string]map[string][2]time.Time{}}
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
	ctx, cancel := context.WithTimeout(context.Background(), tellTime)
	defer cancel()
	value, _, err := notes.Note(ctx, handshakeNote(account, source))
	var until time.Time
	return err == nil && until.UnmarshalText(value) == nil && time.Now().Before(until)
}

// Ours implements sources.KeapHooks: a change of a thing that the bridge wrote a moment before is taken for its own. That
// keeps rules from setting themselves off; what the bridge remembers of a contact is corrected by a narrower measure, so
// that an edit by hand right after a write of ours is not overlooked.
func (k *keapHooks) Ours(account, eventKey, objectID string, at time.Time) bool {
	ctx, cancel := context.WithTimeout(context.Background(), tellTime)
	defer cancel()
	kind := eventKey[:max(strings.LastIndexByte(eventKey, '.'), 0)]
	first, last := k.ownWrites(ctx, account, thing(kind, objectID))
	if kind == "contact" && (last.IsZero() || at.Before(first.Add(-sameWrite)) || at.After(last.Add(sameWrite))) {
		k.changed(ctx, account, objectID, at)
	}
	return !last.IsZero() && !at.Before(first.Add(-time.Minute)) && at.Before(last.Add(echoTime))
}

// ownWrites are the first and the last write of the bridge to a thing of late; zero when there was none.
func (k *keapHooks) ownWrites(ctx context.Context, account, name string) (first, last time.Time) {
	k.mu.Lock()
	w, ok := k.wrote[account][name]
	k.mu.Unlock()
	notes := k.book()
	if ok || notes == nil {
		return w[0], w[1]
	}
	value, known, err := notes.Contact(ctx, echoGroup, account+"/"+name) // another process may have written it
	if err != nil || !known || first.UnmarshalText(value) != nil {
		return time.Time{}, time.Time{}
	}
	return first, first
}

// changed notes that somebody else changed a contact. A hook without a time tells of now.
func (k *keapHooks) changed(ctx context.Context, account, contactID string, at time.Time) {
	if at.IsZero() {
		at = time.Now()
	}
	group, notes := k.groupOf(account), k.book()
	if group == "" || notes == nil {
		return
	}
	if err := calls.Changed(ctx, notes, group, account, contactID, at); err != nil {
		k.log.Warn("a change in Keap is not noted; a write that would undo it may be taken for done", "account", account, "err", err)
	}
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
