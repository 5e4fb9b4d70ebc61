package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

// shop is the body of one account whose rule gives the tag.
func shop(tag string) string {
	return fmt.Sprintf("app: ab123\nkeap: {service_account_key: KeapAK-0123456789}\nrules: [{name: r, on: order.paid, do: [{tag: %s}]}]\n", tag)
}

func names(c *Config) string { return strings.Join(slices.Sorted(maps.Keys(c.Accounts)), " ") }

// tagOf is the tag that an account gives for a paid order.
func tagOf(t *testing.T, c *Config, account string) string {
	t.Helper()
	p, err := c.Accounts[account].Set.Plan(&events.Event{ID: "1", Type: "order.paid"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p.Steps[len(p.Steps)-1].Target
}

func mistaken(wrong []FileMistakes) string {
	var out []string
	for _, f := range wrong {
		line := fmt.Sprintf("%s kept=%v: ", filepath.Base(f.File), f.Kept)
		for _, m := range f.Mistakes {
			line += fmt.Sprintf("%d:%d %s; ", m.Line, m.Column, m.Text)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestDirectory(t *testing.T) {
	folder := write(t, map[string]string{
		"one.yaml": shop("A"), "two.yml": shop("B"), "notes.txt": "no YAML: [", ".hidden.yaml": "x: [",
		"more.yaml": "accounts:\n  three:\n    app: cd456\n    keap: {service_account_key: KeapAK-1}\n    rules: [{use: set}]\n",
		"sets.yaml": "rule_sets:\n  set: [{name: s, on: order.paid, do: [{tag: C}]}]\n",
	})
	c, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	if names(c) != "one three two" || tagOf(t, c, "two") != "B" || tagOf(t, c, "three") != "C" {
		t.Errorf("accounts are %s", names(c))
	}
	if c.Accounts["two"].Name != "two" || filepath.Base(c.Accounts["two"].File) != "two.yml" {
		t.Errorf("account is %+v", c.Accounts["two"])
	}
}

func TestMistakesBetweenFiles(t *testing.T) {
	folder := write(t, map[string]string{
		"a.yaml": "accounts: {one: {app: ab123, keap: {service_account_key: KeapAK-1}}}\nrule_sets: {set: [{name: s, on: order.paid, do: [{tag: A}]}]}\n",
		"b.yaml": "rule_sets: {set: [{name: s, on: order.paid, do: [{tag: B}]}]}\n", "one.yaml": shop("A"),
	})
	_, err := Load(folder)
	got := strings.ReplaceAll(fmt.Sprint(err), folder+"/", "")
	want := "b.yaml:1:13: a.yaml has a rule set \"set\" already\none.yaml:1:1: a.yaml has an account \"one\" already"
	if got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestMistakesInSeveralFiles: all files are told about at once, and one that is wrong makes no other wrong.
func TestMistakesInSeveralFiles(t *testing.T) {
	folder := write(t, map[string]string{
		"one.yaml":  strings.Replace(shop("A"), "rules: [", "rules: [{use: set}, ", 1),
		"sets.yaml": "rule_sets:\n  set: [{name: s, on: order.paid, do: [{tag: \"{{x}}\"}]}]\nsurplus: 1\n",
		"two.yaml":  strings.Replace(shop("A"), "app", "ap", 1),
	})
	_, err := Load(folder)
	var found Mistakes
	errors.As(err, &found)
	var got []string
	for _, m := range found {
		got = append(got, fmt.Sprintf("%s:%d:%d", filepath.Base(m.File), m.Line, m.Column))
	}
	if strings.Join(got, " ") != "sets.yaml:2:49 sets.yaml:3:1 two.yaml:1:1" {
		t.Errorf("mistakes are %v", err)
	}
}

func TestReload(t *testing.T) {
	folder := write(t, map[string]string{"one.yaml": shop("A"), "two.yaml": shop("A"), "three.yaml": shop("A")})
	put := func(name, content string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	put("one.yaml", shop("B"))
	put("two.yaml", shop("B")+"surplus: 1\n")
	put("four.yaml", shop("B")+"surplus: 1\n")
	if err := os.Remove(filepath.Join(folder, "three.yaml")); err != nil {
		t.Fatal(err)
	}
	next, wrong := Reload(c)
	if got := mistaken(wrong); !strings.HasPrefix(got, "four.yaml kept=false: 4:1 unknown key \"surplus\"") || !strings.Contains(got, "\ntwo.yaml kept=true: 4:1 unknown key \"surplus\"") {
		t.Errorf("mistakes are %s", got)
	}
	if names(next) != "one two" || tagOf(t, next, "one") != "B" || tagOf(t, next, "two") != "A" {
		t.Errorf("accounts are %s; the mistaken file must keep its old version, the others take effect", names(next))
	}
	if names(c) != "one three two" || tagOf(t, c, "one") != "A" {
		t.Error("the old configuration was changed")
	}

	put("two.yaml", shop("C"))
	put("four.yaml", shop("C"))
	last, wrong := Reload(next)
	if len(wrong) > 0 || names(last) != "four one two" || tagOf(t, last, "two") != "C" {
		t.Errorf("accounts are %s, mistakes %s", names(last), mistaken(wrong))
	}
}

// TestLoadValid: files with mistakes are left out and listed, and so are those that rely on them; a start needs one account.
func TestLoadValid(t *testing.T) {
	files := map[string]string{
		"one.yaml": shop("A"), "two.yaml": shop("A") + "surplus: 1\n", "sets.yaml": "rule_sets:\n  set: [{name: s, on: order.paid, do: [{tag: \"{{x}}\"}]}]\n",
		"user.yaml": "app: ab123\nkeap: {service_account_key: KeapAK-1}\nrules: [{use: set}]\n",
	}
	c, wrong, err := LoadValid(write(t, files))
	if err != nil {
		t.Fatal(err)
	}
	if got := mistaken(wrong); names(c) != "one" || strings.Count(got, "kept=false") != 3 {
		t.Errorf("accounts are %s, mistakes %s", names(c), got)
	}
	delete(files, "one.yaml")
	if _, _, err := LoadValid(write(t, files)); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("with nothing left the error is %v", err)
	}
	folder := write(t, map[string]string{"one.yaml": shop("A") + "surplus: 1\n"})
	if _, _, err := LoadValid(filepath.Join(folder, "one.yaml")); err == nil {
		t.Error("a file with a mistake was taken")
	}
}

// TestReloadOfRuleSets: a set that is wrong stays as it was for all who use it; one that is gone keeps its users'
// files as they were.
func TestReloadOfRuleSets(t *testing.T) {
	user := "app: ab123\nkeap: {service_account_key: KeapAK-1}\nrules: [{use: set}]\n"
	sets := "rule_sets:\n  set: [{name: s, on: order.paid, do: [{tag: %s}]}]\n"
	folder := write(t, map[string]string{"one.yaml": user, "sets.yaml": fmt.Sprintf(sets, "A"), "two.yaml": shop("A")})
	put := func(name, content string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	put("sets.yaml", fmt.Sprintf(sets, `"{{x}}"`))
	put("two.yaml", shop("B"))
	c, wrong := Reload(c)
	if got := mistaken(wrong); !strings.HasPrefix(got, "sets.yaml kept=true: 2:49 there is no variable") || tagOf(t, c, "one") != "A" || tagOf(t, c, "two") != "B" {
		t.Errorf("mistakes are %s", got)
	}
	put("sets.yaml", fmt.Sprintf(sets, "C"))
	c, wrong = Reload(c)
	if len(wrong) > 0 || tagOf(t, c, "one") != "C" {
		t.Errorf("a changed set has to reach who uses it; mistakes are %s", mistaken(wrong))
	}
	put("sets.yaml", strings.Replace(fmt.Sprintf(sets, "C"), "set:", "other:", 1))
	c, wrong = Reload(c)
	if got := mistaken(wrong); !strings.HasPrefix(got, "one.yaml kept=true: 3:15 there is no rule set") || tagOf(t, c, "one") != "C" {
		t.Errorf("mistakes are %s", got)
	}
	if again, wrong := Reload(c); tagOf(t, again, "one") != "C" || len(wrong) != 1 {
		t.Errorf("the old version has to stay in force; mistakes are %s", mistaken(wrong))
	}
}

func TestReloadOfWhatIsGone(t *testing.T) {
	folder := write(t, map[string]string{"bridge.yaml": "accounts: {one: {app: ab123, keap: {service_account_key: KeapAK-1}}}\n"})
	path := filepath.Join(folder, "bridge.yaml")
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	kept, wrong := Reload(c)
	if kept != c || len(wrong) != 1 || !wrong[0].Kept {
		t.Errorf("got %v, %s", kept, mistaken(wrong))
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

// TestSecretsAreNotShown: neither mistakes nor the configuration itself show what a reference stands for.
func TestSecretsAreNotShown(t *testing.T) {
	t.Setenv("BRIDGE_TEST_SECRET", "hunter2 {{broken")
	folder := write(t, map[string]string{"bridge.yaml": `
accounts:
  a:
    app: ${env:BRIDGE_TEST_SECRET}
    keap: {service_account_key: "KeapAK-${env:BRIDGE_TEST_SECRET}"}
    quota: {second: ${env:BRIDGE_TEST_SECRET}}
    reserve: {urgent: ${env:BRIDGE_TEST_SECRET}}
    tags: {create: ${env:BRIDGE_TEST_SECRET}}
    sources:
      one: {kind: ${env:BRIDGE_TEST_SECRET}}
      two: {kind: nats, allow_ips: "${env:BRIDGE_TEST_SECRET}", silent_after: "${env:BRIDGE_TEST_SECRET}"}
    rules:
      - {name: "${env:BRIDGE_TEST_SECRET}/", on: "${env:BRIDGE_TEST_SECRET}", priority: "${env:BRIDGE_TEST_SECRET}", do: [{tag: "${env:BRIDGE_TEST_SECRET}"}]}
      - {use: "${env:BRIDGE_TEST_SECRET}"}
notify:
  - {url: "${env:BRIDGE_TEST_SECRET}", secret: x, on: ["${env:BRIDGE_TEST_SECRET}"]}
`})
	_, err := Load(filepath.Join(folder, "bridge.yaml"))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	var found Mistakes
	if errors.As(err, &found); len(found) < 12 {
		t.Errorf("%d mistakes were found: %v", len(found), err)
	}
}
