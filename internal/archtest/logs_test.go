package archtest

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestLogLinesAreDocumented: docs/logs.md names only messages that there are, and every message of level error.
func TestLogLinesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile(root + "/docs/logs.md")
	if err != nil {
		t.Fatal(err)
	}
	texts, levels := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		if s.test || strings.HasPrefix(s.dir, "internal/keap/sandbox") || strings.HasPrefix(s.dir, "internal/simulation") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
					texts[text] = true
				}
			case *ast.CallExpr:
				if method, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) > 0 && method.Sel.Name == "Error" {
					if lit, ok := n.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
						text, _ := strconv.Unquote(lit.Value)
						levels[text] = s.path
					}
				}
			}
			return true
		})
	}
	documented := map[string]bool{}
	for line := range strings.Lines(string(doc)) {
		cell, ok := strings.CutPrefix(line, "| `")
		if !ok {
			continue
		}
		cell, _, _ = strings.Cut("`"+cell, " | ")
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			documented[m[1]] = true
			if !texts[m[1]] && !strings.HasPrefix(m[1], "event ") { // "event " and the state it came to
				t.Errorf("docs/logs.md names %q, which nothing logs", m[1])
			}
		}
	}
	for text, where := range levels {
		if !documented[text] {
			t.Errorf("%s logs the error %q, which docs/logs.md does not explain", where, text)
		}
	}
}
