package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bridge/internal/config"
	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/internal/queue"
)

// What commands do to the whole store, without a bridge around it. Each takes the store for itself: an embedded one must
// not be in use.

// StoreReport says what a backup holds, or what was restored or migrated.
type StoreReport = queue.BackupReport

// queueOptions are those of the environment; the working side adds what it needs.
func queueOptions(env *config.Env) queue.Options {
	return queue.Options{
		URL: env.NatsURL, Creds: env.NatsCreds, DataDir: env.DataDir, Replicas: env.NatsReplicas, Fsync: env.Fsync, StoreKey: env.StoreKey,
		Retention: time.Duration(env.Retention),
	}
}

// Backup writes everything that is stored to w, and writes down which file that is. While a bridge uses an embedded store, its
// API makes the backup.
func Backup(ctx context.Context, set *Settings, file string, w io.Writer) (report StoreReport, err error) {
	opt := queueOptions(&set.Env)
	opt.Logger = set.Log
	q, err := queue.Open(ctx, opt)
	if err != nil {
		return report, explained(err)
	}
	made := events.Outcome{Kind: events.OutcomeAudit, Who: "command line", Action: ops.ActionBackup, Target: file}
	if err = q.Record(ctx, made); err == nil {
		report, err = q.Backup(ctx, w)
	}
	return report, explained(errors.Join(err, q.Close(context.WithoutCancel(ctx))))
}

// VerifyBackup reads a whole backup and checks every checksum.
func VerifyBackup(r io.Reader) (StoreReport, error) {
	report, err := queue.VerifyBackup(r)
	return report, explained(err)
}

// Restore fills an empty store from a backup.
func Restore(ctx context.Context, set *Settings, backup io.ReadSeeker) (StoreReport, error) {
	if err := os.MkdirAll(set.Env.DataDir, 0o700); err != nil {
		return StoreReport{}, fmt.Errorf("the data directory cannot be made: %w", err)
	}
	opt := queueOptions(&set.Env)
	opt.Logger = set.Log
	report, err := queue.Restore(ctx, opt, backup)
	if err != nil {
		return report, explained(err)
	}
	return report, forgetIndex(set.Env.DataDir)
}

// Migrate copies the embedded store to a NATS server, which must be empty, and marks the data directory as moved.
func Migrate(ctx context.Context, set *Settings, url string) (StoreReport, error) {
	from := queueOptions(&set.Env)
	to := from
	from.URL, from.Creds, from.Replicas, from.Logger = "", "", 1, set.Log
	to.URL, to.Fsync, to.Logger = url, "", set.Log
	report, err := queue.Migrate(ctx, from, to)
	return report, explained(err)
}

// explanation is an error of the queue with its next step where commands look for it.
type explanation struct {
	error
	hint string
}

// Hint is the next step.
func (e *explanation) Hint() string { return e.hint }

// Unwrap gives the error.
func (e *explanation) Unwrap() error { return e.error }

// explained lets commands print what the queue knows about the next step.
func explained(err error) error {
	var f *queue.Fault
	if errors.As(err, &f) && f.Hint != "" {
		return &explanation{err, f.Hint}
	}
	return err
}
