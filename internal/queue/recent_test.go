package queue

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bridge/internal/events"
)

// TestKeysAreParsedWholeOrNotAtAll: every key of an event is told from every other, and what is none is refused.
func TestKeysAreParsedWholeOrNotAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "one id"), rapid.String().Draw(t, "another")
		one, err := parseKey(events.KeyOf("default", "shop", a))
		if err != nil {
			t.Fatal(err)
		}
		if other, err := parseKey(events.KeyOf("default", "shop", b)); err != nil || (one == other) != (a == b) {
			t.Fatalf("%q and %q: %v", a, b, err)
		}
	})
	good := events.KeyOf("default", "shop", "1")
	for _, bad := range []string{"", "1", good[1:], good + "0", good + "00", "x" + good[1:], good[:31] + "g", strings.Repeat("é", 16)} {
		if raw, err := parseKey(bad); err == nil || raw != (rawKey{}) {
			t.Errorf("%q was taken for a key: %x, %v", bad, raw, err)
		}
	}
}
