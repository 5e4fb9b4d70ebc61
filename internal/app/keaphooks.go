package app

import (
	"sync"
	"time"
)

// keapHooks is what sources of kind keap have to know about the bridge's own dealings with Keap. Safe for
// concurrent use.
type keapHooks struct {
	mu      sync.Mutex
	pending map[[2]string]time.Time            // until, by account and source
	wrote   map[string]map[string][2]time.Time // first and last write, by account and contact
}

const (
	// handshakeTime is how long a subscription of ours may take to be verified.
	handshakeTime = 2 * time.Minute
	// echoTime is how late Keap's hook for a write may come: 60 s, and some for its retries.
	echoTime = 3 * time.Minute
)

func newKeapHooks() *keapHooks {
	return &keapHooks{pending: map[[2]string]time.Time{}, wrote: map[string]map[string][2]time.Time{}}
}

// expect opens the door for one handshake.
func (k *keapHooks) expect(account, source string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending[[2]string{account, source}] = time.Now().Add(handshakeTime)
}

// Pending implements sources.KeapHooks.
func (k *keapHooks) Pending(account, source string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Before(k.pending[[2]string{account, source}])
}

// Ours implements sources.KeapHooks: a change of a contact that the bridge wrote a moment before is taken for its own.
func (k *keapHooks) Ours(account, _, objectID string, at time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	w, ok := k.wrote[account][objectID]
	return ok && !at.Before(w[0].Add(-time.Minute)) && at.Before(w[1].Add(echoTime))
}

// written remembers a write to a contact, and forgets old ones now and then.
func (k *keapHooks) written(account, contact string, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of := k.wrote[account]
	if of == nil {
		of = map[string][2]time.Time{}
		k.wrote[account] = of
	}
	w, ok := of[contact]
	if !ok {
		w[0] = at
	}
	w[1] = at
	of[contact] = w
	if len(of)%1024 == 0 {
		for id, old := range of {
			if at.Sub(old[1]) > 2*echoTime {
				delete(of, id)
			}
		}
	}
}
