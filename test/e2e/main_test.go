// Package e2e runs whole bridges: real HTTP, real JetStream on a real disk, the Keap sandbox behind a real
// listener. What they must show is the issue that every other test only approaches: each accepted event ends
// as it should, nothing is lost and nothing is done twice.
package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"bridge/internal/app"
	"bridge/internal/config"
)

// childVariable makes this test binary a bridge that can be killed.
const childVariable = "BRIDGE_E2E_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func child() error {
	env, err := config.EnvFrom()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return app.Run(ctx, app.Settings{Env: env, Log: log})
}
