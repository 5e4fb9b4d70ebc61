package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// environment is what the contract's sample refers to.
func environment(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"KEAP_KEY": "KeapAK-0123456789abcdef", "KEAP_NEXT_KEY": "", "WC_SECRET": "wc-secret", "FORMS_SECRET": "forms-secret", "OPS_SECRET": "ops-secret",
	} {
		t.Setenv(name, value)
	}
}

// write puts files into a new folder.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestLoadOfOurOwnFiles: what is handed out has to be right, without one warning.
func TestLoadOfOurOwnFiles(t *testing.T) {
	environment(t)
	for _, path := range []string{"../../configs/bridge.example.yaml", "../../configs/demo.yaml"} {
		c, err := Load(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, w := range c.Warnings {
			t.Error(w)
		}
	}
}

// TestLoadOfTheContractsSample loads the YAML of the design's contract where it lies beside the project.
func TestLoadOfTheContractsSample(t *testing.T) {
	page, err := os.ReadFile("../../../shared/design/contract.md")
	if err != nil {
		t.Log("not run, the contract is not beside the project; configs/bridge.example.yaml says the same:", err)
		return
	}
	environment(t)
	_, sample, _ := strings.Cut(string(page), "```yaml\n")
	sample, _, _ = strings.Cut(sample, "```")
	c, err := Load(filepath.Join(write(t, map[string]string{"bridge.yaml": sample}), "bridge.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || c.Warnings[0].Line != 36 {
		t.Errorf("warnings are %v; one action set has no replacement", c.Warnings)
	}
}
