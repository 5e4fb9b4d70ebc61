package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzYAML: whatever stands in a file, every mistake has a place inside it, a value from outside is not shown, and what
// has no mistake can be asked.
func FuzzYAML(f *testing.F) {
	paths, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, path := range append(paths, "../../configs/bridge.example.yaml", "../../configs/demo.yaml") {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("a: &a [*a, *a]\nb: *a"))
	f.Add([]byte("accounts: &x\n  a: {<<: *x}\n"))
	f.Add([]byte("x: &a [1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a]\naccounts: {a: {user_id: *b}}\n"))
	const outside = "value-that-is-from-outside"
	f.Fuzz(func(t *testing.T, content []byte) {
		one := &file{path: "fuzz.yaml"}
		one.d = &decoder{file: one.path, expander: expander{folder: t.TempDir(), lookup: func(string) (string, bool) { return outside, true }}}
		one.decode(content)
		c := assemble(one.path, []*file{one}, time.Now())
		lines := strings.Count(string(content), "\n") + strings.Count(string(content), "\r") + 2
		for _, m := range append(one.d.mistakes, c.Warnings...) {
			if m.Text == "" || m.Line < 0 || m.Line > lines || m.Line > 0 && m.Column < 1 {
				t.Errorf("mistake %+v in %q", m, content)
			}
			if strings.Contains(m.String(), outside) && !strings.Contains(string(content), outside) {
				t.Errorf("mistake %+v shows a value", m)
			}
		}
		if len(one.d.mistakes) == 0 {
			c.Groups()
			RunTests(c, time.Now())
		}
	})
}
