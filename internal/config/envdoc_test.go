package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestEnvironmentIsDocumented: docs/configuration.md lists every variable, and none that there is not.
func TestEnvironmentIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile("`(BRIDGE_[A-Z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented[name[1]] = true
	}
	words := regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])`)
	env := reflect.TypeFor[Env]()
	for i := range env.NumField() {
		name := "BRIDGE_" + strings.ToUpper(words.ReplaceAllString(env.Field(i).Name, "${1}${3}_${2}${4}"))
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("%s is documented and does not exist", name)
	}
}

// TestDefaultEnv: the defaults that need no variable are those that an empty environment gives.
func TestDefaultEnv(t *testing.T) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "BRIDGE_") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	want, err := EnvFrom()
	if err != nil {
		t.Fatal(err)
	}
	if got := DefaultEnv(); !reflect.DeepEqual(got, want) {
		t.Errorf("DefaultEnv() = %+v\nEnvFrom() = %+v", got, want)
	}
}
