package app

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// fakeNotes are notes of one process.
type fakeNotes map[string][]byte

func (n fakeNotes) Note(_ context.Context, name string) ([]byte, uint64, error) {
	return n[name], 0, nil
}

func (n fakeNotes) SaveNote(_ context.Context, name string, value []byte, _ uint64) (uint64, error) {
	n[name] = value
	return 0, nil
}

func (n fakeNotes) Contact(_ context.Context, group, contact string) ([]byte, bool, error) {
	value, ok := n[group+" "+contact]
	return value, ok, nil
}

func (n fakeNotes) SaveContact(_ context.Context, group, contact string, value []byte, _ time.Duration) error {
	n[group+" "+contact] = value
	return nil
}

// testHooks are Keap's hooks of a process whose accounts are all of quota group g, but for the account gone.
func testHooks(n notes) *keapHooks {
	k := newKeapHooks(slog.New(slog.DiscardHandler))
	k.notes = n
	k.groupOf = func(account string) string {
		if account == "gone" {
			return ""
		}
		return "g"
	}
	return k
}

func TestKeapHooksKnowTheirOwn(t *testing.T) {
	k := testHooks(fakeNotes{})
	if k.Pending("a", "s") {
		t.Error("a handshake is pending that nobody began")
	}
	if err := k.expect(t.Context(), "a", "s"); err != nil {
		t.Fatal(err)
	}
	if !k.Pending("a", "s") || k.Pending("a", "other") {
		t.Error("the handshake that was begun is not pending, or another one is")
	}
	now := time.Now()
	if err := k.written(t.Context(), "a", thing("contact", "7"), now); err != nil {
		t.Fatal(err)
	}
	another := testHooks(k.notes) // in another process
	for _, tc := range []struct {
		account, event, id string
		at                 time.Time
		want               bool
	}{
		{"a", "contact.edit", "7", now.Add(30 * time.Second), true}, {"a", "contact.edit", "8", now, false}, {"b", "contact.edit", "7", now, false},
		{"a", "contact.edit", "7", now.Add(time.Hour), false}, {"a", "order.add", "7", now, false},
	} {
		for _, k := range []*keapHooks{k, another} {
			if got := k.Ours(tc.account, tc.event, tc.id, tc.at); got != tc.want {
				t.Errorf("%+v: %v", tc, got)
			}
		}
	}
}

// TestKeapHooksCorrectTheMemory: what others change in Keap is noted for the memory of contacts, be it right after a
// write of the bridge; the hook about that write is not.
func TestKeapHooksCorrectTheMemory(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name, account, event, id string
		at                       time.Time
		noted                    bool
	}{
		{"our own write", "a", "contact.edit", "7", now.Add(time.Second), false},
		{"our own write, another process", "a", "contact.edit", "8", now.Add(time.Second), false},
		{"by hand, right after ours", "a", "contact.edit", "7", now.Add(30 * time.Second), true},
		{"by hand", "a", "contact.edit", "9", now, true},
		{"deleted", "a", "contact.delete", "9", now, true},
		{"without a time", "a", "contact.edit", "9", time.Time{}, true},
		{"no contact", "a", "order.edit", "9", now, false},
		{"a tag", "a", "contactGroup.applied", "9", now, false},
		{"not configured", "gone", "contact.edit", "9", now, false},
	} {
		n := fakeNotes{}
		k, another := testHooks(n), testHooks(n)
		for who, id := range map[*keapHooks]string{k: "7", another: "8"} {
			if err := who.written(t.Context(), "a", thing("contact", id), now); err != nil {
				t.Fatal(err)
			}
		}
		k.Ours(tc.account, tc.event, tc.id, tc.at)
		noted := ""
		for name := range n {
			if strings.HasPrefix(name, "g ") {
				noted = name
			}
		}
		if (noted != "") != tc.noted || tc.noted && !strings.HasSuffix(noted, "/"+tc.id) {
			t.Errorf("%s: noted %q, want %v", tc.name, noted, tc.noted)
		}
	}
}
