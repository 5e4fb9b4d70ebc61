package torture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesNameRealTests: docs/reliability.md names a test for each promise, and every test that it names is there.
func TestPromisesNameRealTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	sources := map[string]string{} // by package
	named := regexp.MustCompile("`([a-z0-9]+)\\.(Test[A-Za-z]+)`")
	for _, line := range strings.Split(string(text), "\n") {
		found := named.FindAllStringSubmatch(line, -1)
		if len(found) == 0 && strings.HasPrefix(line, "| A ") {
			t.Errorf("a promise without a test: %s", line)
		}
		for _, m := range found {
			if _, read := sources[m[1]]; !read {
				sources[m[1]] = testsOf(t, m[1])
			}
			if !strings.Contains(sources[m[1]], "func "+m[2]+"(") {
				t.Errorf("%s.%s is not there", m[1], m[2])
			}
		}
	}
	if len(sources) < 5 {
		t.Errorf("only %d packages are named", len(sources))
	}
}

func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"../../internal/", "../"} {
		files, err := filepath.Glob(folder + pkg + "/*_test.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
	}
	return all.String()
}
