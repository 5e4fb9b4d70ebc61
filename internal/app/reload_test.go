package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"bridge/internal/config"
	"bridge/internal/ops"
)

// TestConfigureWhatIsNotThere: programs are told that there is no such account, not that something is wrong with it.
func TestConfigureWhatIsNotThere(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "one.yaml")
	if err := os.WriteFile(file, []byte("app: ab123\nkeap: {service_account_key: KeapAK-0123456789}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]ops.ErrorKind{folder: ops.NotFound, file: ops.Conflict} {
		cfg, err := config.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		a := &App{worlds: &worlds{}}
		a.worlds.use(cfg)
		var told *ops.Error
		if err := a.configure(t.Context(), "two", nil); !errors.As(err, &told) || told.Kind != want {
			t.Errorf("removing from %s: %v", filepath.Base(path), err)
		}
	}
}
