package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"bridge/internal/app"
	"bridge/internal/config"
)

// env reads the environment and lets the flags overrule it.
func (g *globals) env() (config.Env, error) {
	e, err := config.EnvFrom()
	if err != nil {
		return e, &usageError{err, "docs/configuration.md lists every BRIDGE_ variable"}
	}
	if g.config != "" {
		e.Config = g.config
	}
	if g.dataDir != "" {
		e.DataDir = g.dataDir
	}
	return e, nil
}

// settings are what a command that starts parts of the bridge begins with.
func (g *globals) settings(errs io.Writer) (app.Settings, error) {
	e, err := g.env()
	if err != nil {
		return app.Settings{}, err
	}
	if err := e.Check(); err != nil {
		return app.Settings{}, configError(err)
	}
	return app.Settings{Env: e, Version: version, Log: newLogger(&e, errs)}, nil
}

// newLogger writes text to a terminal and JSON elsewhere, unless LOG_FORMAT says otherwise.
func newLogger(e *config.Env, w io.Writer) *slog.Logger {
	opt := &slog.HandlerOptions{Level: e.LogLevel}
	if e.LogFormat == "json" || e.LogFormat == "" && !terminal(w) {
		return slog.New(slog.NewJSONHandler(w, opt))
	}
	return slog.New(slog.NewTextHandler(w, opt))
}

// terminal tells whether a person looks at w.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// configError is exit code 2 for mistakes of the configuration, every one with its place.
func configError(err error) error {
	var m config.Mistakes
	if errors.As(err, &m) {
		return &usageError{err, "bridge check lists what is wrong, and says when it is right"}
	}
	return err
}

// configured reads the configuration for a command about one account and, unless it is "", a source of it. A mistake in
// another file of a directory does not stop it.
func configured(path, account, source string) (*config.Config, error) {
	cfg, wrong, err := config.LoadValid(path)
	if err != nil {
		return nil, configError(err)
	}
	if cfg.Accounts[account] == nil && len(wrong) > 0 {
		return nil, configError(fmt.Errorf("account %q is not in the files without mistakes; mistakes are\n%w", account, config.Joined(wrong)))
	}
	return cfg, named(cfg, account, source)
}

// named tells whether a configuration has an account and, unless it is "", a source of it.
func named(cfg *config.Config, account, source string) error {
	a := cfg.Accounts[account]
	if a == nil {
		return usagef("accounts are "+strings.Join(slices.Sorted(maps.Keys(cfg.Accounts)), ", "), "account %q is not in the configuration", account)
	}
	if _, ok := a.Sources[source]; !ok && source != "" {
		return usagef("sources of "+account+" are "+strings.Join(slices.Sorted(maps.Keys(a.Sources)), ", "), "account %q has no source %q", account, source)
	}
	return nil
}
