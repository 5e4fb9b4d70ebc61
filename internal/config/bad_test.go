package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the messages of testdata/bad as they are now; read the difference before it is committed")

// TestOneMistakeAFile: each file of testdata/bad has one mistake, its message beside it.
func TestOneMistakeAFile(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Load(path)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			got := strings.ReplaceAll(err.Error(), "testdata/bad/", "") + "\n"
			beside := strings.TrimSuffix(path, ".yaml") + ".txt"
			want, err := os.ReadFile(beside)
			if begins, open := strings.CutSuffix(string(want), "…\n"); open && strings.HasPrefix(got, begins) {
				return // the rest is the words of another package
			}
			if *update {
				want, err = []byte(got), os.WriteFile(beside, []byte(got), 0o600)
			}
			if err != nil || got != string(want) {
				t.Errorf("got  %swant %s%v", got, want, err)
			}
			if strings.Count(got, "\n") != 1 {
				t.Errorf("one mistake became %d", strings.Count(got, "\n"))
			}
		})
	}
}
