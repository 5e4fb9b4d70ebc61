package app

import (
	"os"
	"path/filepath"
	"testing"

	"bridge/internal/events"
)

// TestOneFolderForSeveral: processes on an external NATS may share a data directory, and none spoils the other's index.
func TestOneFolderForSeveral(t *testing.T) {
	url := externalNATS(t)
	serve, dir := started(t, func(s *Settings) { s.Env.NatsURL = url })
	left, err := RunningServe(&serve.set.Env)
	if err != nil || left.Address != "http://"+serve.ConsoleAddr {
		t.Fatalf("the serve left %+v, %v", left, err)
	}
	if _, err := serve.sendSample(t.Context(), "default", "shop"); err != nil {
		t.Fatal(err)
	}
	command, err := Start(t.Context(), Settings{Env: serve.set.Env, Roles: []string{RoleConsole}, Visitor: true, Log: serve.set.Log})
	if err != nil {
		t.Fatal(err)
	}
	if err := command.CatchUp(t.Context()); err != nil {
		t.Error(err)
	}
	if page, err := command.desk.List(t.Context(), events.Filter{}, 10, ""); err != nil || len(page.Rows) == 0 {
		t.Errorf("a command beside the serve sees %d events, %v", len(page.Rows), err)
	}
	second := indexPath(filepath.Join(dir, "data"), 2)
	if _, err := os.Stat(second); err != nil {
		t.Error(err)
	}
	if err := command.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(second); !os.IsNotExist(err) {
		t.Errorf("the command's own index stays: %v", err)
	}
	if now, err := RunningServe(&serve.set.Env); err != nil || now != left {
		t.Errorf("word of the serve is %+v, %v; want %+v", now, err, left)
	}
	other := serve.set.Env
	other.NatsURL = ""
	if h, err := RunningServe(&other); err == nil {
		t.Errorf("a command on another NATS would ask %+v", h)
	}
	if page, err := serve.desk.List(t.Context(), events.Filter{}, 10, ""); err != nil || len(page.Rows) == 0 {
		t.Errorf("the serve sees %d events, %v", len(page.Rows), err)
	}
}
