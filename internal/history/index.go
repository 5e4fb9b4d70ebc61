package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"bridge/internal/events"
)

// Options of Open.
type Options struct {
	// Hash makes personal data unreadable: order keys (events.Event.OrderKey) and order numbers pass it before they
	// are stored. It must be keyed, and give the same each time; with another one the index is built anew. Required.
	Hash func(text string) string
	// Retention is how long events are kept after they were received; 90 days when 0.
	Retention time.Duration
	// Log gets a line when the index is rebuilt; slog.Default() when nil.
	Log *slog.Logger
}

const defaultRetention = 90 * 24 * time.Hour

// Index answers questions about events. It is safe for concurrent use.
type Index struct {
	path string
	opt  Options
	hash func(string) int64

	lock *os.File // of the file, for as long as the index is open

	life   sync.RWMutex // held for reading while the store is used, for writing while it is replaced
	store  *store       // nil once closed, and while no new one can be made
	closed bool

	writing sync.Mutex // one writer
	pruned  time.Time  // when old events were last looked for

	news news
}

var (
	// ErrInUse is what Open gives for a file that another process, or another Index, has open.
	ErrInUse = errors.New("the index is in use already")

	errClosed = errors.New("the history is closed")
	errAway   = errors.New("the history cannot be read: its file could not be made anew yet")
)

// Open opens the index in the file at path, whose folder must exist. A file that is missing, damaged or of another
// version is begun anew: Follow then reads the logs from their start. One Index may have it open at a time; others get
// ErrInUse, which the file path.lock decides.
func Open(ctx context.Context, path string, opt Options) (*Index, error) {
	if opt.Hash == nil {
		return nil, errors.New("history: Options.Hash is required")
	}
	if opt.Retention <= 0 {
		opt.Retention = defaultRetention
	}
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("history: open %s: %w", path, err)
	}
	ix := &Index{path: path, opt: opt, hash: hasher(opt.Hash), lock: lock}
	st, err := openStore(ctx, path, ix.salt())
	if err != nil && (unusable(err) || foreign(err)) {
		opt.Log.Warn("history: the index cannot be used and is built anew", "file", path, "cause", err)
		if err = removeStore(path); err == nil {
			st, err = openStore(ctx, path, ix.salt())
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("history: open %s: %w", path, err), unlockFile(lock))
	}
	ix.store = st
	ix.news.start(st.pos)
	return ix, nil
}

// salt is a fingerprint of the hash function.
func (ix *Index) salt() string { return fmt.Sprintf("%016x", uint64(ix.hash("salt"))) }

// Close waits for what is being read and written, and closes the file.
func (ix *Index) Close() error {
	ix.writing.Lock()
	defer ix.writing.Unlock()
	ix.life.Lock()
	defer ix.life.Unlock()
	if ix.closed {
		return nil
	}
	ix.closed = true
	if ix.store != nil {
		ix.store.close()
		ix.store = nil
	}
	return unlockFile(ix.lock)
}

// reading lends the store out until done is called.
func (ix *Index) reading() (st *store, done func(), err error) {
	ix.life.RLock()
	if ix.store == nil {
		err = errAway
		if ix.closed {
			err = errClosed
		}
		ix.life.RUnlock()
		return nil, nil, err
	}
	return ix.store, ix.life.RUnlock, nil
}

// rebuild replaces the file by an empty one. While that fails there is none; it may be tried again.
func (ix *Index) rebuild(ctx context.Context) error {
	ix.writing.Lock()
	defer ix.writing.Unlock()
	ix.life.Lock()
	defer ix.life.Unlock()
	if ix.closed {
		return errClosed
	}
	if ix.store != nil {
		ix.store.close()
		ix.store = nil
	}
	if err := removeStore(ix.path); err != nil {
		return err
	}
	st, err := openStore(ctx, ix.path, ix.salt())
	if err != nil {
		return err
	}
	ix.store = st
	ix.news.start(st.pos)
	return nil
}

// Position is how far both logs are in the index.
func (ix *Index) Position(context.Context) (events.Position, error) {
	_, done, err := ix.reading()
	if err != nil {
		return events.Position{}, err
	}
	defer done()
	return ix.news.position(), nil
}

// Lookup gives the position in EVENTS of each key that is there; others are left out. It knows what was logged up
// to Position.
func (ix *Index) Lookup(ctx context.Context, keys []string) (map[string]uint64, error) {
	st, done, err := ix.reading()
	if err != nil {
		return nil, err
	}
	defer done()
	byBytes := make(map[string]string, len(keys))
	wanted := make([]string, 0, len(keys))
	for _, key := range keys {
		k := keyBytes(key)
		byBytes[k] = key
		wanted = append(wanted, k)
	}
	found := make(map[string]uint64, len(keys))
	var (
		key []byte
		seq int64
	)
	err = st.byKeys(ctx, wanted, "key, seq", func(rows *sql.Rows) error {
		if err := rows.Scan(&key, &seq); err != nil {
			return err
		}
		if seq > 0 {
			found[byBytes[string(key)]] = uint64(seq)
		}
		return nil
	})
	return found, err
}

// keysAtOnce is how many keys one statement looks for; the rest of the last one is filled up, so that there are
// only two statements to prepare.
const keysAtOnce = 64

func (st *store) byKeys(ctx context.Context, keys []string, columns string, scan func(*sql.Rows) error) error {
	for len(keys) > 0 {
		width := 1
		if len(keys) > 1 {
			width = keysAtOnce
		}
		args := make([]any, width)
		n := min(width, len(keys))
		for i := range args {
			args[i] = []byte(keys[min(i, n-1)])
		}
		keys = keys[n:]
		query := "SELECT " + columns + " FROM event WHERE key IN (?" + strings.Repeat(", ?", width-1) + ")"
		if err := st.each(ctx, scan, query, args...); err != nil {
			return err
		}
	}
	return nil
}
