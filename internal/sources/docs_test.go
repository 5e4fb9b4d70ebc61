package sources

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

const docs = "../../docs/senders/"

// Every kind has a page, and the example in it works.
func TestEveryKindIsDocumented(t *testing.T) {
	for _, k := range Kinds() {
		b, err := os.ReadFile("../../" + k.Docs())
		if err != nil {
			t.Error(err)
			continue
		}
		page := string(b)
		for _, part := range []string{"# " + k.Title, "kind: " + k.Name, "## Set up", "## What is verified", "## What becomes which event"} {
			if !strings.Contains(page, part) {
				t.Errorf("%s does not hold %q", k.Docs(), part)
			}
		}
		checkExample(t, k.Name, page)
	}
}

var placeholder = regexp.MustCompile(`\$\{env:([A-Z_]+)\}`)

// checkExample builds the sources of a page's example.
func checkExample(t *testing.T, kind, page string) {
	t.Helper()
	_, rest, _ := strings.Cut(page, "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	value := "0123456789abcdefXY"
	if kind == "standard" || kind == "svix" {
		value = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	}
	var example struct {
		Sources map[string]Config `yaml:"sources"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(placeholder.ReplaceAllString(text, value)), &example, yaml.Strict()); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
	for name, cfg := range example.Sources {
		if _, mistakes := New(name, "default", cfg, testDeps()); len(mistakes) > 0 || cfg.Kind != kind {
			t.Errorf("%s: %v", kind, mistakes)
		}
	}
}

// The table of the overview is made from the registry.
func TestTableIsUpToDate(t *testing.T) {
	const begin, end = "<!-- table: go test ./internal/sources -run TestTableIsUpToDate -update -->\n", "<!-- end of table -->\n"
	text, err := os.ReadFile(docs + "README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	was, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the marks around the table are gone")
	}
	if *update {
		if err := os.WriteFile(docs+"README.md", []byte(before+begin+table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table(), was); diff != "" {
		t.Error("run it with -update:", diff)
	}
}

// table is a Markdown table of every kind: what is verified and how.
func table() string {
	var b strings.Builder
	b.WriteString("| kind | sender | what is verified | replay window | retries | left out, and asked for | sweep |\n|---|---|---|---|---|---|---|\n")
	for _, k := range kinds {
		retries := k.Retries
		if retries == "" {
			retries = "**never**"
		}
		if k.SwitchesOff != "" {
			retries += "; " + k.SwitchesOff
		}
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s | %s | %s | %s |\n",
			k.Name, k.Name, k.Title, cell(k.Proof), cell(k.Replay), cell(retries), cell(k.Thin), cell(k.Sweeps))
	}
	return b.String()
}

func cell(text string) string {
	if text == "" {
		return "–"
	}
	return strings.ReplaceAll(text, "|", `\|`)
}
