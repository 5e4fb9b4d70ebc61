package calls

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap"
)

const (
	// rememberFor is how long a contact's id and what was last written are remembered. Within it, an update that
	// would write the same again is not sent.
	rememberFor = 30 * 24 * time.Hour
	// echo is how long after our own writes Keap's hook about them may tell of them.
	echo = 5 * time.Second
)

// person is what is remembered of a contact. It holds hashes of what was written, not the values.
type person struct {
	ID    string            `json:"id"`
	At    time.Time         `json:"at"` // of the last write
	Wrote map[string]string `json:"wrote,omitempty"`
	Of    map[string]int64  `json:"of,omitempty"` // by field, the time of the state that it was written from, in ms
}

// newer takes out what was written from a later state than this one: an older delivery that comes late must not change it
// back. Who it is stays.
func (m *person) newer(flat map[string]value) {
	maps.DeleteFunc(flat, func(name string, v value) bool {
		return name != "email" && !v.at.IsZero() && v.at.UnixMilli() < m.Of[name]
	})
}

// knows tells whether writing these values would change nothing.
func (m *person) knows(flat map[string]value) bool {
	if m.ID == "" || len(m.Wrote) == 0 {
		return false
	}
	for name, v := range flat {
		if m.Wrote[name] != digest(name, v.text) {
			return false
		}
	}
	return true
}

func (m *person) wrote(flat map[string]value, at time.Time) {
	wrote, of := map[string]string{}, map[string]int64{}
	maps.Copy(wrote, m.Wrote)
	maps.Copy(of, m.Of)
	for name, v := range flat {
		wrote[name] = digest(name, v.text)
		if delete(of, name); !v.at.IsZero() {
			of[name] = min(v.at.UnixMilli(), at.UnixMilli()) // a sender's clock may be ahead
		}
	}
	m.Wrote, m.Of, m.At = wrote, of, at
}

func digest(name, text string) string {
	sum := sha256.Sum256([]byte(name + "\x00" + text))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// memoryKey names the contact in the memory.
func (t *task) memoryKey() string {
	switch {
	case t.Contact != "":
		return t.Contact
	case t.Person.Email != "":
		return digest("e", events.NormalEmail(t.Person.Email))
	case t.Person.Phone != "":
		return digest("p", events.NormalPhone(t.Person.Phone))
	}
	return ""
}

// remembered loads the memory of the contact; what cannot be had is forgotten.
func (t *task) remembered(ctx context.Context) person { return t.recall(ctx)[t.Account] }

// recall loads what is known of the contact in each account: those of one group may be different Keaps.
func (t *task) recall(ctx context.Context) map[string]person {
	key := t.memoryKey()
	if key == "" || t.c.Memory == nil {
		return nil
	}
	stored, known, err := t.c.Memory.Contact(ctx, t.c.Group, key)
	if err != nil {
		t.log.Warn("a contact's memory cannot be read; it costs a call", "account", t.Account, "err", err)
		return nil
	}
	var all map[string]person
	if known && json.Unmarshal(stored, &all) != nil {
		return nil // of another version
	}
	return all
}

// remember stores the memory of the contact.
func (t *task) remember(ctx context.Context, m person) {
	key := t.memoryKey()
	if key == "" || t.c.Memory == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	all := t.recall(ctx)
	if all == nil {
		all = map[string]person{}
	}
	all[t.Account] = m
	stored, err := json.Marshal(all)
	if err == nil {
		err = t.c.Memory.SaveContact(ctx, t.c.Group, key, stored, rememberFor)
	}
	if err != nil {
		t.log.Warn("a contact's memory cannot be stored; it may cost a call", "account", t.Account, "err", err)
	}
}

// Changed notes that a contact was changed in Keap at a time, as Keap's contact hooks tell. What was last written to it
// is not relied on any more, unless that very write is what the hook tells of. Any process may note it, whoever owns the
// group.
func Changed(ctx context.Context, memory Memory, group, account, contactID string, at time.Time) error {
	return memory.SaveContact(ctx, group, changedKey(account, contactID), []byte(at.UTC().Format(time.RFC3339)), rememberFor)
}

func changedKey(account, contactID string) string { return account + "/changed/" + contactID }

// changedSince tells whether somebody changed the contact after what is remembered was written.
func (t *task) changedSince(ctx context.Context, m *person) bool {
	stored, known, err := t.c.Memory.Contact(ctx, t.c.Group, changedKey(t.Account, m.ID))
	if err != nil || !known {
		return err != nil
	}
	at, err := time.Parse(time.RFC3339, string(stored))
	return err != nil || at.After(m.At.Add(echo))
}

// locate finds the Keap id of the ask's contact: told by an earlier step, remembered, or looked up.
func (t *task) locate(ctx context.Context, r *Result) error {
	if t.contact != "" {
		return nil
	}
	if m := t.remembered(ctx); m.ID != "" {
		t.contact = m.ID
		return nil
	}
	return t.lookUp(ctx, r)
}

// relocate looks the contact up again, because Keap does not know its id any more: it was deleted, or merged into
// another one.
func (t *task) relocate(ctx context.Context, r *Result) error {
	t.contact = ""
	t.remember(ctx, person{})
	return t.lookUp(ctx, r)
}

// lookUp asks Keap who has the address.
func (t *task) lookUp(ctx context.Context, r *Result) error {
	id, err := t.find(ctx, r)
	if err != nil {
		return err
	}
	if id == "" {
		return &Invalid{Reason: events.ContactUnknown, Detail: "Keap has no contact with this address or number, and no step before creates one (add a contact step to the rule, or create the contact, then replay)"}
	}
	t.contact = id
	t.remember(ctx, person{ID: id, At: time.Now()})
	return nil
}

// find looks the contact up by e-mail, else by phone; "" when there is none. Of several the oldest counts.
func (t *task) find(ctx context.Context, r *Result) (string, error) {
	search := keap.Find{Email: events.NormalEmail(t.Person.Email), Limit: 10}
	if search.Email == "" {
		search.Phone = t.Person.Phone
	}
	if search.Email == "" && search.Phone == "" {
		return "", &Invalid{Reason: events.ContactMissing, Detail: "the event names neither an e-mail address nor a phone number"}
	}
	var found []keap.Contact
	err := t.call(ctx, r, request{operation: "contacts.list", rank: beginning, subjects: 1, send: func(ctx context.Context) (err error) {
		found, err = t.settings.Keap.FindContacts(ctx, search)
		return err
	}})
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0].ID, nil
}
