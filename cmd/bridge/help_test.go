package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

// TestHelp: every command says what it is for, and every one that does something shows how it is called.
func TestHelp(t *testing.T) {
	root := newRoot()
	paths := map[string]bool{}
	err := eachCommand(root, func(c *cobra.Command) error {
		path := strings.TrimPrefix(c.CommandPath(), "bridge ")
		paths[path] = true
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short text is %q", path, c.Short)
		}
		if !c.HasSubCommands() && !strings.Contains(c.Example, "bridge "+path) {
			t.Errorf("%s has no example", path)
		}
		for _, line := range strings.Split(c.Example, "\n") {
			if !strings.HasPrefix(line, "  ") && line != "" {
				t.Errorf("%s: the example %q is not indented", path, line)
			}
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if len([]rune(line)) > 125 {
				t.Errorf("%s: a line of the text is longer than a wide terminal: %q", path, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path := range examples {
		if !paths[path] {
			t.Errorf("there are examples for %q, which is no command", path)
		}
	}
}

// TestCommandsDocument holds docs/commands.md to the help; -update writes it.
func TestCommandsDocument(t *testing.T) {
	var doc strings.Builder
	doc.WriteString("# Commands\n\nWritten by `make docs` from the commands' own help. `--json` prints JSON, or JSON Lines for lists. Exit status: 0 fine,\n" +
		"1 failed, 2 wrong usage or configuration. `bridge completion bash|zsh|fish|powershell` prints completion for a shell,\n" +
		"`bridge man DIR` writes manual pages.\n")
	err := eachCommand(newRoot(), func(c *cobra.Command) error {
		if !c.HasParent() {
			return nil
		}
		fmt.Fprintf(&doc, "\n%s `%s`\n\n%s.\n", strings.Repeat("#", 1+strings.Count(c.CommandPath(), " ")), c.CommandPath(), c.Short)
		if c.Long != "" {
			fmt.Fprintf(&doc, "\n%s\n", c.Long)
		}
		fmt.Fprintf(&doc, "\n```\n%s\n", c.UseLine())
		if flags := c.NonInheritedFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(&doc, "\n%s", flags)
		}
		if c.Example != "" {
			fmt.Fprintf(&doc, "\n%s\n", c.Example)
		}
		doc.WriteString("```\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "docs", "commands.md")
	if *update {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(kept), doc.String()); diff != "" {
		t.Errorf("run make docs (-kept +help):\n%s", diff)
	}
}

// TestManualPages: one a command, well-formed enough for man(1): no text is taken for a macro.
func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	if code, _, errs := bridgeRun(t, "man", dir); code != exitFine {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, name := range []string{"bridge.1", "bridge-serve.1", "bridge-events-ls.1", "bridge-keys-login.1"} {
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, line := range strings.Split(string(page), "\n") {
			if macro, _, _ := strings.Cut(line, " "); strings.HasPrefix(macro, ".") && !strings.Contains(" .TH .SH .B .BR .nf .fi .sp ", " "+macro+" ") {
				t.Errorf("%s: the line %q looks like a macro", name, line)
			}
		}
		if !strings.HasPrefix(string(page), `.TH "BRIDGE`) {
			t.Errorf("%s begins with %.40q", name, page)
		}
	}
}
