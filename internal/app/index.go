package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bridge/internal/history"
)

// historyFile is the index's name in the data directory.
const historyFile = "history.db"

// maxIndexes is how many processes may use one data directory, which several do only with an external NATS.
const maxIndexes = 32

// openHistory opens the index of the data directory. When another process has it, this one builds one of its own beside
// it, which goes with it.
func (a *App) openHistory(ctx context.Context) error {
	env := &a.set.Env
	opt := history.Options{Hash: a.queue.ContactHash, Retention: time.Duration(env.Retention), Log: a.set.Log}
	for n := 1; ; n++ {
		path := indexPath(env.DataDir, n)
		ix, err := history.Open(ctx, path, opt)
		if errors.Is(err, history.ErrInUse) && n < maxIndexes {
			continue
		}
		if err != nil {
			return err
		}
		a.history = ix
		a.down.add("history", func(context.Context) error {
			err := ix.Close()
			if n > 1 {
				err = errors.Join(err, removeIndex(path))
			}
			return err
		})
		if n > 1 {
			a.set.Log.Warn("another process uses the index of the data directory: this one builds its own and drops it at its end", "file", path)
		}
		return nil
	}
}

// indexPath is the file of the n-th process that uses a data directory.
func indexPath(dir string, n int) string {
	if n == 1 {
		return filepath.Join(dir, historyFile)
	}
	return filepath.Join(dir, fmt.Sprintf("history-%d.db", n))
}

// removeIndex deletes an index with what lies beside it, but its lock: somebody may be waiting for just that file.
func removeIndex(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// forgetIndex drops indexes of other logs; the next start builds its own anew.
func forgetIndex(dir string) error {
	for n := 1; n <= maxIndexes; n++ {
		if err := removeIndex(indexPath(dir, n)); err != nil {
			return err
		}
	}
	return nil
}
