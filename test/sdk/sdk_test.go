// Package sdk drives the Keap sandbox with clients that nobody here wrote: they are generated from Keap's OpenAPI
// documents when the test runs: a client in Go, which decodes every answer into the documents' types, and one in
// TypeScript. Nothing generated is kept.
//
// It needs Keap's documents, which are not part of this repository; the Go module proxy or a filled module cache for the
// one generator, node and npm with its registry for the other. Where one of them is missing the test is skipped and says
// which; with CI=true a Go generator that cannot be had is a failure.
package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bridge/internal/keap/sandbox"
)

const (
	// generator makes the clients. It is pinned here and nowhere else.
	generator = "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2"
	specs     = "../../../shared/keap-specs"
	key       = "KeapAK-0123456789abcdef"
	patience  = 8 * time.Minute // of a busy machine that has none of it in its caches
)

// documents are Keap's, by the package that is made of each.
var documents = map[string]string{"v1": "keap-rest-v1-2025-11-05.json", "v2": "keap-rest-v2-swagger.yml"}

func TestGeneratedClients(t *testing.T) {
	if testing.Short() {
		t.Skip("generates and compiles two large clients: not with -short")
	}
	binary := build(t)
	for version := range documents {
		t.Run(version, func(t *testing.T) {
			drive(t, version, func(ctx context.Context, address string) *exec.Cmd {
				return exec.CommandContext(ctx, binary, version, address, key)
			})
		})
	}
}

// serve starts a sandbox for a drive.
func serve(t *testing.T, version string) (s *sandbox.Server, address string) {
	t.Helper()
	s = sandbox.New(sandbox.Options{Seed: 1})
	if err := errors.Join(s.SetSettings(settings(version)), s.Seed(seed)); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, web.URL
}

var seed = sandbox.Seed{
	Templates:  []sandbox.Template{{ID: "77", Title: "Welcome"}},
	ActionSets: []sandbox.ActionSet{{ID: "42", Name: "Bought something"}},
}

// settings lift the quota of the drive. v1 answers the applying of tags as its document has it, not as production does.
func settings(version string) sandbox.Settings {
	s := sandbox.Settings{Keys: map[string]sandbox.Key{key: {App: "ab123"}, "KeapAK-revoked": {State: "revoked"}}, Quota: &sandbox.Quota{Second: new(0), Minute: new(0)}}
	if version == "v1" {
		s.TagResults = "keys"
	}
	return s
}

// checkEffects holds what the drive left against what it did.
func checkEffects(t *testing.T, state sandbox.State) {
	t.Helper()
	if len(state.Orders) != 1 || len(state.Payments) != 1 || state.Orders[0].Total != state.Orders[0].Paid {
		t.Errorf("orders %+v, payments %+v", state.Orders, state.Payments)
	}
	if len(state.Goals) != 1 || state.Goals[0].Integration != "shop" || state.Goals[0].Call != "bought" {
		t.Errorf("goals %+v", state.Goals)
	}
	if len(state.Notes) != 1 || len(state.Tasks) != 1 || len(state.Opportunities) != 1 {
		t.Errorf("%d notes, %d tasks, %d opportunities", len(state.Notes), len(state.Tasks), len(state.Opportunities))
	}
}

// build generates both clients into a module of their own and compiles the drive with them.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for version, name := range documents {
		write(t, filepath.Join(dir, name), mend(t, document(t, version)))
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version+".yaml"), []byte("package: "+version+"\noutput: "+version+"/client.go\n"+
			"generate: {models: true, client: true}\noutput-options: {response-type-suffix: Answer, resolve-type-name-collisions: true}\n"))
	}
	write(t, filepath.Join(dir, "go.mod"), []byte("module generated\n\ngo 1.26\n"))
	if err := os.CopyFS(filepath.Join(dir, "drive"), os.DirFS("testdata/drive")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := command(ctx, dir, "run", generator, "-version"); err != nil {
		missing := t.Skipf
		if os.Getenv("CI") != "" {
			missing = t.Fatalf
		}
		missing("the generator %s cannot be had: %v\n%s", generator, err, out)
	}
	for version, name := range documents {
		must(t, ctx, dir, "run", generator, "-config", version+".yaml", name)
	}
	must(t, ctx, dir, "mod", "tidy")
	must(t, ctx, dir, "build", "-o", "drive.bin", "./drive")
	return filepath.Join(dir, "drive.bin")
}

// document reads one of Keap's.
func document(t *testing.T, version string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(specs, documents[version]))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("not run: Keap's OpenAPI document %s is not at %s", documents[version], specs)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// mend puts right what keeps a generator from reading v1's document: one path names its variable otherwise than its
// parameter.
func mend(t *testing.T, text []byte) []byte {
	t.Helper()
	if !bytes.HasPrefix(text, []byte("{")) {
		return text
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	put, _ := doc["paths"].(map[string]any)["/v1/notes/{noteId}"].(map[string]any)["put"].(map[string]any)
	parameters, _ := put["parameters"].([]any)
	for _, p := range parameters {
		if p := p.(map[string]any); p["in"] == "path" && p["name"] == "note" {
			p["name"] = "noteId"
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, ctx context.Context, dir string, args ...string) {
	t.Helper()
	if out, err := command(ctx, dir, args...); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// command runs the go tool in the module of the generated clients.
func command(ctx context.Context, dir string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	return c.CombinedOutput()
}
