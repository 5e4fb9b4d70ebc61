package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/events"
)

// TestBackupAndRestore: a backup made while the bridge works brings everything back into an empty folder.
func TestBackupAndRestore(t *testing.T) {
	a, flags := startBridge(t, importRules)
	file := writeFile(t, "email,Stand No\none@example.com,1\ntwo@example.com,2\n")
	var imported importReport
	importTo(t, &imported, append([]string{"import", "--account", "default", "--source", "leads", "--rule", "fair", "--json", file}, flags...))
	awaitDone(t, a, 2)

	saved := filepath.Join(t.TempDir(), "bridge.backup")
	code, out, errs := bridgeRun(t, append([]string{"backup", saved}, flags...)...)
	if code != exitFine || !strings.Contains(out, "every checksum is right") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if info, err := os.Stat(saved); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: %v %v", info, err)
	}
	if code, _, errs := bridgeRun(t, append([]string{"restore", saved}, flags...)...); code != exitFailed || !strings.Contains(errs, "hint: ") {
		t.Errorf("restored into a store in use: exit %d %s", code, errs)
	}

	empty := filepath.Join(t.TempDir(), "data")
	if code, out, errs := bridgeRun(t, "restore", saved, "--config", flags[1], "--data-dir", empty); code != exitFine || !strings.Contains(out, "restored: ") {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if got := doneIn(t, flags[1], empty); got != 2 {
		t.Errorf("%d events came back, want 2", got)
	}
	if code, _, errs := bridgeRun(t, "restore", saved, "--config", flags[1], "--data-dir", empty); code != exitFailed || !strings.Contains(errs, "empty") {
		t.Errorf("restored over events: exit %d %s", code, errs)
	}
}

// doneIn counts the done events of a store that nobody works.
func doneIn(t *testing.T, cfg, data string) int {
	t.Helper()
	code, out, errs := bridgeRun(t, "events", "ls", "--state", "done", "--json", "--config", cfg, "--data-dir", data)
	if code != exitFine {
		t.Fatalf("exit %d: %s", code, errs)
	}
	n := 0
	for line := range strings.Lines(out) {
		var row events.Row
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		n++
	}
	return n
}

func TestDamagedBackupIsRefused(t *testing.T) {
	dir := t.TempDir()
	cfg, bad := filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "bad.backup")
	for path, body := range map[string]string{cfg: importRules, bad: "bridge-backup 1\n{\"at\":\"2026-11-01T00:00:00Z\"}\n"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, _, errs := bridgeRun(t, "restore", bad, "--config", cfg, "--data-dir", filepath.Join(dir, "data"))
	if code != exitFailed || !strings.Contains(errs, "damaged") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestMigrate moves a folder to a server; the folder is not opened again.
func TestMigrate(t *testing.T) {
	cfg, data := stoppedBridge(t)
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	code, out, errs := bridgeRun(t, "migrate", "--to", ns.ClientURL(), "--config", cfg, "--data-dir", data)
	if code != exitFine || !strings.Contains(out, "BRIDGE_NATS_URL="+ns.ClientURL()) {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs := bridgeRun(t, "events", "ls", "--config", cfg, "--data-dir", data); code != exitFailed || !strings.Contains(errs, "BRIDGE_NATS_URL") {
		t.Errorf("the old place was opened: exit %d %s", code, errs)
	}
	t.Setenv("BRIDGE_NATS_URL", ns.ClientURL())
	if got := doneIn(t, cfg, filepath.Join(t.TempDir(), "data")); got != 2 {
		t.Errorf("%d events came over, want 2", got)
	}
	if code, _, errs := bridgeRun(t, "migrate", "--to", ns.ClientURL(), "--config", cfg, "--data-dir", data); code != exitUsage {
		t.Errorf("moved twice: exit %d %s", code, errs)
	}
}

// stoppedBridge is the configuration and the store of a bridge that has done two events and was stopped.
func stoppedBridge(t *testing.T) (cfg, data string) {
	t.Helper()
	dir := t.TempDir()
	cfg, data = filepath.Join(dir, "bridge.yaml"), filepath.Join(dir, "data")
	if err := os.WriteFile(cfg, []byte(importRules), 0o600); err != nil {
		t.Fatal(err)
	}
	e := config.DefaultEnv()
	e.Config, e.DataDir, e.HTTPAddr, e.ConsoleAddr = cfg, data, "127.0.0.1:0", "127.0.0.1:0"
	a, err := app.Start(t.Context(), app.Settings{Env: e, Sandbox: true, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "email,Stand No\none@example.com,1\ntwo@example.com,2\n")
	var imported importReport
	importTo(t, &imported, []string{"import", "--account", "default", "--source", "leads", "--rule", "fair", "--json", file, "--config", cfg, "--data-dir", data})
	awaitDone(t, a, 2)
	http.DefaultClient.CloseIdleConnections()
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	return cfg, data
}
