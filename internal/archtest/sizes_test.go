package archtest

import (
	"go/scanner"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// most is how many lines of code a package may have: what the house planned, or what docs/adr/0007-sizes.md argues for.
// A package that outgrows its number is split, or argued for there anew.
var most = map[string]int{
	"events": 1_200, "secret": 80, "quota": 1_300,
	"sources": 7_500, "rules": 2_100, "keap": 4_300, "keap/sandbox": 10_500,
	"calls": 3_900, "queue": 7_400, "history": 2_300,
	"ingress": 500, "dispatch": 1_100, "ops": 1_600, "notify": 600,
	"console": 3_000, "config": 2_600, "app": 5_700, "cmd/bridge": 4_200,
}

// TestPackagesKeepToTheirSize counts lines that hold code: neither blank nor only a comment, tests not among them.
func TestPackagesKeepToTheirSize(t *testing.T) {
	has := map[string]int{}
	for _, s := range sources(t) {
		if !s.test {
			has[s.pkg()] += codeLines(t, s.path)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(most)) {
		if n := has[pkg]; n == 0 || n > most[pkg] {
			t.Errorf("%s has %d lines of code; docs/adr/0007-sizes.md allows %d", pkg, n, most[pkg])
		}
	}
}

func codeLines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	var s scanner.Scanner
	file := token.NewFileSet().AddFile(path, -1, len(text))
	s.Init(file, text, nil, 0)
	lines := map[int]bool{}
	for {
		at, what, lit := s.Scan()
		if what == token.EOF {
			return len(lines)
		}
		if what == token.SEMICOLON && lit == "\n" {
			continue // put in by the scanner
		}
		first := file.Line(at)
		for i := range len(lit) {
			if lit[i] == '\n' {
				first++
				lines[first] = true
			}
		}
		lines[file.Line(at)] = true
	}
}
