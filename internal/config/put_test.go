package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPutAndRemove(t *testing.T) {
	folder := write(t, map[string]string{
		"one.yaml":  shop("A"),
		"many.yaml": "accounts: {two: {app: ab123, keap: {service_account_key: KeapAK-1}}}\nrule_sets: {set: [{name: s, on: order.paid, do: [{tag: S}]}]}\n",
	})
	c, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]struct{ account, body, want string }{
		"a mistake":          {"three", strings.Replace(shop("A"), "app", "ap", 1), "three:1:1: unknown key"},
		"an unknown set":     {"three", `{"app": "ab123", "keap": {"service_account_key": "KeapAK-1"}, "rules": [{"use": "nothing"}]}`, `three:1:81: there is no rule set "nothing"`},
		"a reference":        {"three", shop("${env:HOME}"), "three:3:46: ${env:…} and ${file:…} are not taken here"},
		"a file in disguise": {"three", shop(`"\u0024{file:/etc/hostname}"`), "three:3:46: ${env:…} and ${file:…} are not taken here"},
		"a whole document":   {"three", "accounts: {}\n", "three: the body of one account is expected"},
		"an odd name":        {"../three", shop("A"), "an account's name is"},
		"a shared file":      {"two", shop("A"), "this file holds more than account two"},
		"a name of a file":   {"many", shop("A"), "this file holds more than account many"},
		"nothing":            {"three", "", "the file is empty"},
		"no YAML":            {"three", "{", "no YAML"},
		"someone's account":  {"three", "app: ab123\n", "account three has no credential"},
	} {
		if err := Put(c, put.account, []byte(put.body)); err == nil || !strings.Contains(err.Error(), put.want) {
			t.Errorf("%s: got %v, want %s", name, err, put.want)
		}
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 2 {
		t.Errorf("there are %d files", len(entries))
	}
	if err := Put(c, "three", []byte(`{"app": "ab123", "keap": {"service_account_key": "KeapAK-1"}, "rules": [{"use": "set"}]}`)); err != nil {
		t.Fatal(err)
	}
	if err := Put(c, "one", []byte(shop("B"))); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, "three.yaml")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file is %v, %v; it may hold secrets", info, err)
	}
	c, wrong := Reload(c)
	if len(wrong) > 0 || names(c) != "one three two" || tagOf(t, c, "three") != "S" || tagOf(t, c, "one") != "B" {
		t.Errorf("accounts are %s, mistakes %s", names(c), mistaken(wrong))
	}
	if err := Remove(c, "three"); err != nil {
		t.Fatal(err)
	}
	c, _ = Reload(c)
	if err := Remove(c, "three"); !errors.Is(err, ErrNoAccount) || names(c) != "one two" {
		t.Errorf("got %v; accounts are %s", err, names(c))
	}
	if err := Remove(c, "two"); err == nil {
		t.Error("a file of several accounts was removed")
	}
}

// TestPutInPlaceOfOthers: an account keeps its name wherever it stood, and no other account is lost.
func TestPutInPlaceOfOthers(t *testing.T) {
	wrapped := func(accounts ...string) string {
		text := "accounts:\n"
		for _, a := range accounts {
			text += "  " + a + ": {app: ab123, keap: {service_account_key: KeapAK-1}}\n"
		}
		return text
	}
	for name, test := range map[string]struct {
		files map[string]string
		later map[string]string // put there behind the back of what is in force
		want  string            // accounts afterwards, or the mistake
	}{
		"another file name":          {files: map[string]string{"a.yaml": wrapped("alpha")}, want: "alpha"},
		"its own file name, wrapped": {files: map[string]string{"alpha.yml": wrapped("alpha"), "b.yaml": wrapped("beta")}, want: "alpha beta"},
		"names crossed":              {files: map[string]string{"a.yaml": wrapped("alpha"), "alpha.yaml": wrapped("beta")}, want: "alpha.yaml is there too"},
		"one added since":            {files: map[string]string{"a.yaml": wrapped("alpha")}, later: map[string]string{"a.yaml": wrapped("alpha", "beta")}, want: "more than account alpha"},
		"a mistake in the file":      {files: map[string]string{"alpha.yaml": shop("A")}, later: map[string]string{"alpha.yaml": shop("A") + "surplus: 1\n"}, want: "alpha"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := write(t, test.files)
			c, err := Load(folder)
			if err != nil {
				t.Fatal(err)
			}
			for file, text := range test.later {
				if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := Put(c, "alpha", []byte(shop("B"))); err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				if c, wrong := Reload(c); len(wrong) > 0 || len(c.Accounts["alpha"].Rules) > 0 {
					t.Errorf("what was refused changed something: %s", mistaken(wrong))
				}
				return
			}
			c, wrong := Reload(c)
			if len(wrong) > 0 || names(c) != test.want || tagOf(t, c, "alpha") != "B" {
				t.Errorf("accounts are %s, mistakes %s", names(c), mistaken(wrong))
			}
			if err := Remove(c, "alpha"); err != nil {
				t.Error(err)
			}
			if c, wrong := Reload(c); len(wrong) > 0 || c.Accounts["alpha"] != nil {
				t.Errorf("alpha was not removed: %s, mistakes %s", names(c), mistaken(wrong))
			}
		})
	}
}

func TestPutIntoOneFile(t *testing.T) {
	folder := write(t, map[string]string{"bridge.yaml": "accounts: {one: {app: ab123, keap: {service_account_key: KeapAK-1}}}\n"})
	c, err := Load(filepath.Join(folder, "bridge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Put(c, "two", []byte(shop("A"))); !errors.Is(err, ErrOneFile) {
		t.Errorf("got %v", err)
	}
}
