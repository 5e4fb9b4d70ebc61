package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bridge/internal/events"
)

// maxLines is what a reader can hold in the head.
const maxLines = 400

// longFiles are argued for in docs/adr/0001-house.md.
var longFiles = map[string]string{}

func TestFilesStayShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxLines && longFiles[s.path] == "" {
			t.Errorf("%s has %d lines, more than %d: split it along a seam", s.path, s.lines, maxLines)
		}
	}
}

func TestFunctionsStayShort(t *testing.T) {
	const most = 60
	for _, s := range sources(t) {
		if s.test || s.path == "internal/app/setup.go" {
			continue
		}
		for _, decl := range s.file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			if n := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line; n > most {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, fn.Name.Name, n, most)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	said := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.dir, "test/") {
			continue
		}
		said[s.dir] = said[s.dir] || s.file.Doc != nil && strings.TrimSpace(s.file.Doc.Text()) != ""
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestNoVagueNames(t *testing.T) {
	vague := []string{"util", "utils", "common", "helpers", "models", "types", "base", "manager", "service"}
	for _, s := range sources(t) {
		if slices.Contains(vague, s.file.Name.Name) {
			t.Errorf("%s: package %s says nothing", s.path, s.file.Name.Name)
		}
	}
}

// TestTestsDoNotSleep: a test that sleeps is slow, or flaky, or both; testing/synctest has time for free.
func TestTestsDoNotSleep(t *testing.T) {
	all := sources(t)
	bubbles := map[string]bool{} // packages that have virtual time
	for _, s := range all {
		bubbles[s.dir] = bubbles[s.dir] || s.test && slices.Contains(s.imports, "testing/synctest")
	}
	for _, s := range all {
		if !s.test || bubbles[s.dir] {
			continue // inside a bubble time.Sleep costs nothing
		}
		for _, pos := range selectors(s, "time", "Sleep") {
			t.Errorf("%s: time.Sleep in a test", pos)
		}
	}
}

func TestOnlyMainExits(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || s.dir == "cmd/bridge" || strings.HasPrefix(s.dir, "test/") {
			continue
		}
		for _, sel := range [][2]string{{"os", "Exit"}, {"signal", "Notify"}, {"signal", "NotifyContext"}, {"os", "Args"}} {
			for _, pos := range selectors(s, sel[0], sel[1]) {
				t.Errorf("%s: %s.%s belongs in cmd/bridge", pos, sel[0], sel[1])
			}
		}
	}
}

// TestServersHaveEveryLimit: a server without one of them can be held up by whoever is slow.
func TestServersHaveEveryLimit(t *testing.T) {
	servers := 0
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if typ, ok := lit.Type.(*ast.SelectorExpr); !ok || typ.Sel.Name != "Server" || name(typ.X) != "http" {
				return true
			}
			servers++
			set := map[string]bool{}
			for _, e := range lit.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					set[name(kv.Key)] = true
				}
			}
			for _, limit := range []string{"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "MaxHeaderBytes"} {
				if !set[limit] {
					t.Errorf("%s: a server without %s", s.fset.Position(lit.Pos()), limit)
				}
			}
			return true
		})
	}
	if servers < 4 {
		t.Errorf("only %d servers were found: the test looks in the wrong place", servers)
	}
}

// name is what an identifier is called; "" when it is none.
func name(e ast.Expr) string {
	id, ok := e.(*ast.Ident)
	if !ok {
		return ""
	}
	return id.Name
}

// selectors lists where pkg.name is used.
func selectors(s *source, pkg, name string) []string {
	var found []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == name {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg {
				found = append(found, s.fset.Position(sel.Pos()).String())
			}
		}
		return true
	})
	return found
}

func TestReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "reasons.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range events.Reasons {
		if !strings.Contains(string(text), "`"+string(r)+"`") {
			t.Errorf("docs/reasons.md does not explain %q", r)
		}
	}
	known := map[string]bool{}
	for _, r := range events.Reasons {
		known[string(r)] = true
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)`").FindAllStringSubmatch(string(text), -1) {
		if !known[m[1]] {
			t.Errorf("docs/reasons.md explains %q, which is no reason", m[1])
		}
	}
}

// TestReasonListIsWhole: a constant of type Reason that is missing from Reasons would be in no filter and no metric.
func TestReasonListIsWhole(t *testing.T) {
	for _, s := range sources(t) {
		if s.path != "internal/events/reason.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || len(spec.Names) != 1 {
				return true
			}
			typ, ok := spec.Type.(*ast.Ident)
			lit, isLit := spec.Values[0].(*ast.BasicLit)
			if !ok || typ.Name != "Reason" || !isLit || lit.Value == `""` {
				return true
			}
			if !slices.Contains(events.Reasons, events.Reason(strings.Trim(lit.Value, `"`))) {
				t.Errorf("events.%s is not in events.Reasons", spec.Names[0].Name)
			}
			return true
		})
	}
}
