package calls

import (
	"context"
	"strings"
	"sync"
	"time"

	"bridge/internal/keap"
)

// lookupKey names something that an account's Keap has an id for.
type lookupKey struct {
	account string
	what    string
	name    string
}

// What is looked up by name.
const (
	companyRecord = "company"
	productRecord = "product"
)

// lookups remembers ids. Many that need the same one ask Keap once: the others wait for the first.
type lookups struct {
	mu      sync.Mutex
	ids     map[lookupKey]string
	errands map[lookupKey]*errand
}

func newLookups() lookups {
	return lookups{ids: map[lookupKey]string{}, errands: map[lookupKey]*errand{}}
}

func (l *lookups) known(key lookupKey) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[key]
}

func (l *lookups) forget(key lookupKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ids, key)
}

// errand gives the errand for a key. done must be called when it is not needed any more: the last one takes it away.
func (l *lookups) errand(key lookupKey) (e *errand, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e = l.errands[key]; e == nil {
		e = newErrand()
		l.errands[key] = e
	}
	e.users++
	return e, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.users--; e.users == 0 {
			delete(l.errands, key)
		}
	}
}

// mostIDs is how many ids are remembered. Beyond it some are forgotten, which costs a look-up each.
const mostIDs = 20_000

func (l *lookups) remember(key lookupKey, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for old := range l.ids {
		if len(l.ids) < mostIDs {
			break
		}
		delete(l.ids, old)
	}
	l.ids[key] = id
}

// foundID gives what is remembered, or else asks.
func (t *task) foundID(ctx context.Context, key lookupKey, ask func() (string, error)) (string, error) {
	if id := t.found.known(key); id != "" {
		return id, nil
	}
	e, done := t.found.errand(key)
	defer done()
	leave, err := t.enter(ctx, e)
	if err != nil {
		return "", err
	}
	defer leave()
	if id := t.found.known(key); id != "" {
		return id, nil
	}
	id, err := ask()
	if err == nil {
		t.found.remember(key, id)
	}
	return id, err
}

// companyID finds the company record of that name, or makes one.
func (t *task) companyID(ctx context.Context, name string, r *Result) (string, error) {
	key := lookupKey{t.Account, companyRecord, fold(name)}
	return t.foundID(ctx, key, func() (id string, err error) {
		var found []keap.Company
		err = t.call(ctx, r, request{operation: "companies.list", rank: beginning, subjects: 1, send: func(ctx context.Context) (err error) {
			found, err = t.settings.Keap.FindCompanies(ctx, name)
			return err
		}})
		if err != nil || len(found) > 0 {
			if len(found) > 0 {
				id = found[0].ID
			}
			return id, err
		}
		err = t.call(ctx, r, request{operation: "companies.create", rank: beginning, subjects: 1, send: func(ctx context.Context) (err error) {
			id, err = t.settings.Keap.CreateCompany(ctx, name)
			return err
		}})
		return id, err
	})
}

// modelCache knows the custom fields of each account.
type modelCache struct {
	mu       sync.Mutex
	accounts map[string]*accountModel
}

type accountModel struct {
	load   *errand
	mu     sync.Mutex // guards all below
	model  keap.Model
	loaded time.Time
}

// modelFresh is how long the custom fields are believed.
const modelFresh = 6 * time.Hour

func (c *modelCache) of(account string) *accountModel {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.accounts[account]
	if a == nil {
		a = &accountModel{load: newErrand()}
		c.accounts[account] = a
	}
	return a
}

func (c *modelCache) known(account string) keap.Model {
	a := c.of(account)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.model
}

// has tells whether the model is fresh and has all the fields. Fields that are missing are believed to be missing for
// a few minutes.
func (a *accountModel) has(flat map[string]value) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch age := time.Since(a.loaded); {
	case a.loaded.IsZero() || age > modelFresh:
		return false
	case age < missFresh:
		return true
	}
	for name := range flat {
		if label, ok := strings.CutPrefix(name, customField); ok {
			if _, err := a.model.Field(label); err != nil {
				return false
			}
		}
	}
	return true
}

// loadModel makes sure that the account's custom fields are known.
func (t *task) loadModel(ctx context.Context, flat map[string]value, r *Result) error {
	a := t.models.of(t.Account)
	if a.has(flat) {
		return nil
	}
	leave, err := t.enter(ctx, a.load)
	if err != nil {
		return err
	}
	defer leave()
	if a.has(flat) {
		return nil
	}
	var m keap.Model
	err = t.call(ctx, r, request{operation: "contacts.model", rank: finding, send: func(ctx context.Context) (err error) {
		m, err = t.settings.Keap.ContactModel(ctx)
		return err
	}})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.model, a.loaded = m, time.Now()
	return nil
}
