package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"bridge/internal/config"
	"bridge/internal/ops"
)

// reloadLook is how often the configuration's files are looked at.
const reloadLook = 2 * time.Second

// reload picks up changed files, or all of them when it is told to, until ctx ends.
func (a *App) reload(ctx context.Context) error {
	tick := time.NewTicker(reloadLook)
	defer tick.Stop()
	last := fingerprint(a.set.Env.Config)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.set.Reload:
		case <-tick.C:
			if now := fingerprint(a.set.Env.Config); now == last {
				continue
			}
		}
		last = fingerprint(a.set.Env.Config)
		a.reloadNow()
	}
}

// reloadNow puts what is valid in force and lists what is not.
func (a *App) reloadNow() {
	cfg, wrong := config.Reload(a.worlds.now.Load().cfg)
	a.listMistakes(wrong)
	a.worlds.use(cfg)
	a.set.Log.Info("configuration loaded", "accounts", len(cfg.Accounts), "files with mistakes", len(wrong))
}

// listMistakes shows what is wrong in files to everybody who looks: log, status, console.
func (a *App) listMistakes(wrong []config.FileMistakes) {
	var problems []ops.Problem
	for _, f := range wrong {
		for _, m := range f.Mistakes {
			problems = append(problems, ops.Problem{Where: place(m), Message: m.Text, Since: time.Now().UTC()})
			switch {
			case f.Kept:
				a.set.Log.Error("the configuration has a mistake; its last good version stays in force", "at", place(m), "mistake", m.Text)
			case !a.set.Visitor: // a command says what matters itself
				a.set.Log.Error("a file of the configuration has a mistake; its accounts are not served until it is right", "at", place(m), "mistake", m.Text)
			}
		}
	}
	a.live.report(problems)
}

// configure replaces an account's configuration, or removes it when body is nil; it is in force when this returns.
func (a *App) configure(_ context.Context, account string, body []byte) error {
	cfg := a.worlds.now.Load().cfg
	var err error
	if body == nil {
		err = config.Remove(cfg, account)
	} else {
		err = config.Put(cfg, account, body)
	}
	switch {
	case err == nil:
		a.reloadNow()
	case errors.Is(err, config.ErrNoAccount):
		return &ops.Error{Kind: ops.NotFound, Message: fmt.Sprintf("there is no account %q", account), Hint: "bridge status lists the accounts", Cause: err}
	case errors.Is(err, config.ErrOneFile):
		return &ops.Error{Kind: ops.Conflict, Message: err.Error(), Hint: "BRIDGE_CONFIG names a directory then", Cause: err}
	}
	return err
}

// place is file:line:column of a mistake.
func place(m config.Mistake) string {
	where, _, _ := strings.Cut(m.String(), ": ")
	return where
}

// report replaces the list of problems.
func (l *live) report(problems []ops.Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problems = problems
}

// fingerprint changes when a file of the configuration does.
func fingerprint(path string) string {
	var b strings.Builder
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file that is gone changes the fingerprint by not being in it
		}
		if d.IsDir() {
			if p != path {
				return filepath.SkipDir
			}
			return nil
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", p, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return b.String()
}
