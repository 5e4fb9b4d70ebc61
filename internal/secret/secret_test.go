package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestNeverPrints(t *testing.T) {
	const value = "KeapAK-0123456789abcdef"
	s := New(value)
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", s, "in", struct{ S Text }{s})
	asJSON, err := json.Marshal(map[string]any{"a": s, "b": &s, "c": []Text{s}})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{logged.String(), string(asJSON), s.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, struct{ S Text }{s}), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, struct{ s Text }{s}))
	}
	for _, out := range shown {
		if strings.Contains(out, "0123456789") || strings.Contains(out, fmt.Sprintf("%x", value)) {
			t.Errorf("printed: %s", out)
		}
	}
}

func TestMaskedAndEqual(t *testing.T) {
	for _, tc := range []struct{ value, masked string }{
		{"", hidden}, {"short", hidden}, {"KeapAK-abcdefc5169", "*****c5169"},
	} {
		if got := New(tc.value).Masked(); got != tc.masked {
			t.Errorf("Masked(%q) = %q, want %q", tc.value, got, tc.masked)
		}
	}
	if New("").Equal("") {
		t.Error("an empty secret must equal nothing")
	}
	if !New("a").Equal("a") || New("a").Equal("b") || New("a").Equal("aa") {
		t.Error("Equal is wrong")
	}
}
