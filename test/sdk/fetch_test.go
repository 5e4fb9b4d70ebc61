package sdk

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestFetchClients drives the sandbox with openapi-fetch, whose types openapi-typescript makes of Keap's documents. The
// compiler holds what is sent, and what is read of answers, against them; how a call travels is that library's affair.
// Versions are pinned in testdata/fetch/package.json.
func TestFetchClients(t *testing.T) {
	if testing.Short() {
		t.Skip("installs and compiles two large clients: not with -short")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("not run: there is no %s", tool)
		}
	}
	dir := fetchClients(t)
	for version := range documents {
		t.Run(version, func(t *testing.T) {
			drive(t, version, func(ctx context.Context, address string) *exec.Cmd {
				return exec.CommandContext(ctx, "node", filepath.Join(dir, "out", "main.js"), version, address, key)
			})
		})
	}
}

// fetchClients installs the library, generates the types of both documents and compiles the drive with them.
func fetchClients(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/fetch")); err != nil {
		t.Fatal(err)
	}
	for version := range documents {
		write(t, filepath.Join(dir, documentOf(version)), mend(t, document(t, version)))
	}
	if out, err := npm(t, dir, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"); err != nil {
		t.Skipf("not run: openapi-fetch and openapi-typescript cannot be had: %v\n%s", err, out)
	}
	tools := filepath.Join(dir, "node_modules", ".bin")
	for version := range documents {
		if out, err := npm(t, dir, filepath.Join(tools, "openapi-typescript"), documentOf(version), "-o", "spec-"+version+".d.ts"); err != nil {
			t.Fatalf("types of %s: %v\n%s", version, err, out)
		}
	}
	if out, err := npm(t, dir, filepath.Join(tools, "tsc")); err != nil {
		t.Fatalf("the drive and the documents' types do not agree: %v\n%s", err, out)
	}
	return dir
}

func documentOf(version string) string {
	return "document-" + version + filepath.Ext(documents[version])
}

func npm(t *testing.T, dir, name string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	return out, errors.Join(err, ctx.Err())
}

// drive runs a client against a new sandbox, and holds what it left there against what it did.
func drive(t *testing.T, version string, client func(ctx context.Context, address string) *exec.Cmd) {
	t.Helper()
	s, address := serve(t, version)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := client(ctx, address).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	checkEffects(t, s.State(""))
}
