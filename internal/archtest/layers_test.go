package archtest

import (
	"slices"
	"strings"
	"testing"
)

// mayImport is the table of layers: what each package may import of this module. Imports only go down.
// L5 and cmd may import anything below; they are listed with "*".
var mayImport = map[string][]string{
	// L0
	"events":       {},
	"quota":        {},
	"secret":       {},
	"keap/sandbox": {},
	// L1
	"sources": {"events", "secret"},
	"rules":   {"events"},
	"keap":    {"quota", "secret"},
	// L2
	"calls":   {"events", "keap", "quota"},
	"queue":   {"events", "secret"},
	"history": {"events"},
	// L3
	"ingress":  {"events", "sources"},
	"dispatch": {"events", "rules", "calls", "keap", "sources"},
	"ops":      {"events"},
	"notify":   {"events", "secret"},
	// L4
	"console": {"ops", "events", "secret"},
	// L5, L6
	"config":       {"events", "quota", "secret", "sources", "rules", "keap"},
	"app":          {"*"},
	"cmd/bridge":   {"app", "config", "secret", "events", "ops", "keap/sandbox", "sources"},
	"configs":      {},
	"docs/senders": {},
	// Never imported by others.
	"archtest":   {},
	"simulation": {"*"},
}

// onlyIn names the one package that may import a dependency.
var onlyIn = map[string]string{
	"github.com/nats-io/":         "queue",
	"modernc.org/sqlite":          "history",
	"cel.dev/":                    "rules",
	"github.com/spf13/cobra":      "cmd/bridge",
	"github.com/goccy/":           "config",
	"golang.org/x/oauth2":         "keap",
	"go.opentelemetry.io/":        "app",
	"github.com/kelseyhightower/": "config",
}

func TestLayers(t *testing.T) {
	mod := module(t)
	for _, s := range sources(t) {
		pkg := s.pkg()
		if strings.HasPrefix(s.dir, "test/") || s.dir == "test" {
			continue
		}
		allowed, listed := mayImport[pkg]
		if !listed {
			t.Errorf("%s: package %s has no row in the table of layers", s.path, pkg)
			continue
		}
		for _, imp := range s.imports {
			mine, ok := strings.CutPrefix(imp, mod+"/")
			if !ok {
				checkDependency(t, s, imp)
				continue
			}
			mine = strings.TrimPrefix(mine, "internal/")
			switch {
			case s.test || mine == pkg: // tests may reach across: they put real parts together
			case mine == "simulation" || mine == "archtest" || strings.HasPrefix(mine, "test/"):
				t.Errorf("%s imports %s, which nobody may import", s.path, mine)
			case !slices.Contains(allowed, mine) && !slices.Contains(allowed, "*"):
				t.Errorf("%s: %s may not import %s", s.path, pkg, mine)
			}
		}
	}
}

func checkDependency(t *testing.T, s *source, imp string) {
	t.Helper()
	if s.test {
		return
	}
	for prefix, owner := range onlyIn {
		if strings.HasPrefix(imp, prefix) && s.pkg() != owner {
			t.Errorf("%s imports %s, which only %s may", s.path, imp, owner)
		}
	}
}

// TestKeapAndSandboxStayApart: structs shared by both would hide a misspelt field from both.
func TestKeapAndSandboxStayApart(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports {
			if s.pkg() == "keap/sandbox" && strings.HasSuffix(imp, "internal/keap") {
				t.Errorf("%s imports the client", s.path)
			}
			if s.pkg() == "keap" && !s.test && strings.HasSuffix(imp, "keap/sandbox") {
				t.Errorf("%s imports the sandbox", s.path)
			}
		}
	}
}
