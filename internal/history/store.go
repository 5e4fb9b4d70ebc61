package history

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"bridge/internal/events"
)

//go:embed schema.sql
var schema string

// schemaVersion stands in the file's user_version. A file of another version is deleted and built anew.
const schemaVersion = 5

// readers is how many lists may be read at once; each holds up to 2 MB of pages.
const readers = 4

var errOutdated = errors.New("the index is of another version or salt")

// store is one open index file: a connection that writes, some that read, and the classes in memory.
type store struct {
	writeDB *sql.DB
	write   *sql.Conn // all writing; its statements are prepared once
	read    *sql.DB
	stmts   sync.Map // query → *sql.Stmt of read
	insert  map[string]*sql.Stmt

	classes *classes

	// Only the writer uses these.
	pos                             events.Position
	pruneAfter                      int64 // where prune goes on
	lastEvent, lastChange, lastCall int64
}

// openStore opens the file, or makes it. It gives errOutdated when what is there cannot be used.
func openStore(ctx context.Context, path, salt string) (_ *store, err error) {
	st := &store{insert: map[string]*sql.Stmt{}}
	defer func() {
		if err != nil {
			st.close()
		}
	}()
	file := (&url.URL{Path: path}).EscapedPath()
	// NORMAL: a power cut may undo the last transactions, never part of one, and the position goes with them.
	const pragmas = "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=temp_store(MEMORY)"
	if st.writeDB, err = sql.Open("sqlite", "file:"+file+pragmas+"&_pragma=cache_size(-16000)&_pragma=journal_size_limit(16777216)&_pragma=wal_autocheckpoint(4000)"); err != nil {
		return nil, err
	}
	st.writeDB.SetMaxOpenConns(1)
	if st.write, err = st.writeDB.Conn(ctx); err != nil {
		return nil, err
	}
	if err = st.prepareFile(ctx, salt); err != nil {
		return nil, err
	}
	if st.read, err = sql.Open("sqlite", "file:"+file+pragmas+"&_pragma=query_only(1)"); err != nil {
		return nil, err
	}
	st.read.SetMaxOpenConns(readers)
	st.read.SetMaxIdleConns(readers)
	if st.classes, err = loadClasses(ctx, st.read); err != nil {
		return nil, err
	}
	for query, into := range map[string]*int64{
		"SELECT coalesce(max(n), 0) FROM event":  &st.lastEvent,
		"SELECT coalesce(max(n), 0) FROM change": &st.lastChange,
		"SELECT coalesce(max(n), 0) FROM call":   &st.lastCall,
	} {
		if err = st.read.QueryRowContext(ctx, query).Scan(into); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// prepareFile makes the tables of a new file, or reads the position of an old one.
func (st *store) prepareFile(ctx context.Context, salt string) error {
	var version int
	if err := st.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		var stored string
		err := st.write.QueryRowContext(ctx, "SELECT events, outcomes, salt FROM position").
			Scan(&st.pos.Events, &st.pos.Outcomes, &stored)
		if err == nil && stored != salt {
			return errOutdated
		}
		return err
	case 0:
		if err := st.transact(ctx, func(ctx context.Context) error {
			if _, err := st.write.ExecContext(ctx, schema); err != nil {
				return err
			}
			_, err := st.write.ExecContext(ctx, "INSERT INTO position VALUES (1, 0, 0, ?)", salt)
			return err
		}); err != nil {
			return err
		}
		_, err := st.write.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
		return err
	default:
		return errOutdated
	}
}

// transact runs fn between BEGIN and COMMIT; an error undoes everything. It is not interrupted when ctx ends: whether a
// COMMIT that was cut short has happened cannot be told, and a batch takes a fraction of a second.
func (st *store) transact(ctx context.Context, fn func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	if _, err := st.write.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := fn(ctx)
	if err == nil {
		_, err = st.write.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = st.write.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// exec runs a writing statement, prepared at its first use.
func (st *store) exec(ctx context.Context, query string, args ...any) error {
	stmt := st.insert[query]
	if stmt == nil {
		var err error
		if stmt, err = st.write.PrepareContext(ctx, query); err != nil {
			return err
		}
		st.insert[query] = stmt
	}
	_, err := stmt.ExecContext(ctx, args...)
	return err
}

// query runs a reading statement, prepared at its first use. Queries are few: filters do not make new ones.
func (st *store) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, ok := st.stmts.Load(query)
	if !ok {
		made, err := st.read.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		var lost bool
		if stmt, lost = st.stmts.LoadOrStore(query, made); lost {
			_ = made.Close()
		}
	}
	return stmt.(*sql.Stmt).QueryContext(ctx, args...)
}

// each runs query and calls scan for every row.
func (st *store) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := st.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (st *store) close() {
	st.stmts.Range(func(_, stmt any) bool {
		_ = stmt.(*sql.Stmt).Close()
		return true
	})
	for _, stmt := range st.insert {
		_ = stmt.Close()
	}
	if st.write != nil {
		_ = st.write.Close()
	}
	for _, db := range []*sql.DB{st.read, st.writeDB} {
		if db != nil {
			_ = db.Close()
		}
	}
}

// removeStore deletes the file and what SQLite keeps beside it.
func removeStore(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// unusable tells errors at opening that only a new file heals.
func unusable(err error) bool {
	var e *sqlite.Error
	if errors.As(err, &e) {
		code := e.Code() & 0xff
		return code == sqlite3.SQLITE_CORRUPT || code == sqlite3.SQLITE_NOTADB
	}
	return errors.Is(err, errOutdated)
}

// passing tells errors that end by themselves, or when a person has made room: the file is as it was.
func passing(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return errors.Is(err, context.Canceled) || errors.Is(err, errClosed) || errors.Is(err, errAway)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}

// foreign tells errors at opening of a file that is not such an index: a table, a column or the position is missing.
func foreign(err error) bool {
	var e *sqlite.Error
	return errors.Is(err, sql.ErrNoRows) || errors.As(err, &e) && e.Code() == sqlite3.SQLITE_ERROR
}
