// Package secret holds text that must not be shown: keys, tokens, passwords.
//
// Use Text for every value that would let its reader in. It prints as "*****",
// in fmt, in slog, in JSON and in YAML alike; Reveal is the one way to the value, so a
// search for Reveal finds every place that uses one. It does not protect memory.
package secret

import (
	"crypto/subtle"
	"encoding"
	"fmt"
	"io"
	"log/slog"
)

const hidden = "*****"

// Text is a secret. The zero value is an empty secret. It is safe for concurrent use.
//
// The value sits behind a pointer because fmt cannot call methods of unexported struct fields:
// printed that way, a Text shows an address. Compare with Equal, not with ==.
type Text struct{ value *string }

// New wraps value.
func New(value string) Text { return Text{&value} }

// Reveal returns the value itself. Do not log what it returns.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// Empty tells whether there is no value.
func (t Text) Empty() bool { return t.Reveal() == "" }

// Equal compares in constant time for values of equal length. An empty secret equals nothing,
// so that a forgotten configuration never lets anybody in.
func (t Text) Equal(other string) bool {
	return !t.Empty() && subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other)) == 1
}

// Masked shows the last five characters of a value that is long enough to spare them
// (16 or more), the form in which Keap's own screens show a key.
func (t Text) Masked() string {
	value := t.Reveal()
	if len(value) < 16 {
		return hidden
	}
	return hidden + value[len(value)-5:]
}

// String returns "*****", or "" for an empty secret.
func (t Text) String() string {
	if t.Empty() {
		return ""
	}
	return hidden
}

// Format keeps every verb, %#v and %x too, from showing the value.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText implements encoding.TextMarshaler with the hidden form.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText takes the value from a configuration file or an environment variable.
func (t *Text) UnmarshalText(b []byte) error {
	*t = New(string(b))
	return nil
}

var (
	_ encoding.TextMarshaler   = Text{}
	_ encoding.TextUnmarshaler = (*Text)(nil)
	_ slog.LogValuer           = Text{}
	_ fmt.Formatter            = Text{}
)
