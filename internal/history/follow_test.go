package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
)

// followUntilCaughtUp runs Follow just as long as it takes to read the whole log.
func followUntilCaughtUp(t *testing.T, ix *Index, log *memoryLog) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ix.Follow(ctx, log) }()
	caughtUp(t, ix, log)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestResumes holds that an index goes on where it stopped and counts nothing twice.
func TestResumes(t *testing.T) {
	path, log := filepath.Join(t.TempDir(), "history.db"), newMemoryLog()
	for n := range 20 {
		e := order(n, "default", "shop", "ada@example.com")
		log.event(e, events.Normal)
		log.outcome(state(e, day, events.Done, ""))
		ix := open(t, path)
		followUntilCaughtUp(t, ix, log)
		if pos, err := ix.Position(t.Context()); err != nil || pos != log.position() {
			t.Fatalf("position %+v, %v; want %+v", pos, err, log.position())
		}
		if err := ix.Close(); err != nil {
			t.Fatal(err)
		}
	}
	ix := open(t, path)
	tallies, err := ix.Tallies(t.Context())
	if err != nil || len(tallies) != 1 || tallies[0].Events != 20 || tallies[0].State != events.Done {
		t.Errorf("tallies: %+v, %v", tallies, err)
	}
	sources, err := ix.Sources(t.Context(), "")
	if err != nil || len(sources) != 1 || sources[0].Events != 20 || !sources[0].Last.Equal(day.Add(19*time.Second)) {
		t.Errorf("sources: %+v, %v", sources, err)
	}
}

// TestBuiltAnew holds that a file that cannot be used is replaced, and the answers come back from the log.
func TestBuiltAnew(t *testing.T) {
	log := newMemoryLog()
	for n := range 50 {
		log.event(order(n, "default", "shop", "ada@example.com"), events.Normal)
	}
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	sqlFile := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			ix := open(t, path)
			followUntilCaughtUp(t, ix, log)
			if _, err := ix.store.write.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
			if err := ix.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, spoil := range map[string]func(*testing.T, string){
		"missing":         func(*testing.T, string) {},
		"empty":           write(""),
		"no database":     write(strings.Repeat("this is no database ", 1000)),
		"another version": sqlFile("PRAGMA user_version = 99"),
		"another salt":    sqlFile("UPDATE position SET salt = 'another'"),
		"no position":     sqlFile("DELETE FROM position"),
		"a table lost":    sqlFile("DROP TABLE class"),
		"cut short": func(t *testing.T, path string) {
			sqlFile("PRAGMA wal_checkpoint(TRUNCATE)")(t, path)
			if err := os.Truncate(path, 8192); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "history.db")
			spoil(t, path)
			ix := open(t, path)
			followUntilCaughtUp(t, ix, log)
			p, err := ix.List(t.Context(), events.Filter{Contact: "ada@example.com"}, 100, "")
			if err != nil || len(p.Rows) != 50 {
				t.Errorf("%d rows, %v; want 50", len(p.Rows), err)
			}
		})
	}
}

// TestDamagedWhileOpen spoils the file under a running index.
func TestDamagedWhileOpen(t *testing.T) {
	path, log := filepath.Join(t.TempDir(), "history.db"), newMemoryLog()
	ix := open(t, path)
	for n := range 500 {
		log.event(order(n, "default", "shop", "ada@example.com"), events.Normal)
	}
	followUntilCaughtUp(t, ix, log)
	if _, err := ix.store.write.ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
	if _, err := ix.store.write.ExecContext(t.Context(), "PRAGMA cache_size = 1; PRAGMA shrink_memory"); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte(strings.Repeat("\xff", int(info.Size())-4096)), 4096); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		log.event(order(1000+n, "default", "shop", "bob@example.com"), events.Normal)
	}
	followUntilCaughtUp(t, ix, log)
	p, err := ix.List(t.Context(), events.Filter{Account: "default"}, 500, "")
	if err != nil || len(p.Rows) != 500 || p.Next == "" {
		t.Errorf("%d rows, %v; want a full page and more", len(p.Rows), err)
	}
}

// TestAheadOfLog holds that an index whose log was begun anew starts again too.
func TestAheadOfLog(t *testing.T) {
	ix, old := open(t, filepath.Join(t.TempDir(), "history.db")), newMemoryLog()
	for n := range 5 {
		old.event(order(n, "default", "shop", "ada@example.com"), events.Normal)
	}
	followUntilCaughtUp(t, ix, old)
	restored := newMemoryLog()
	e := order(9, "default", "shop", "bob@example.com")
	restored.event(e, events.Normal)
	follow(t, ix, restored)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for found := false; !found; {
		if err := ix.Wait(ctx, restored.position()); err != nil {
			t.Fatal(err)
		}
		p, err := ix.List(ctx, events.Filter{}, 0, "")
		if err != nil {
			t.Fatal(err)
		}
		found = cmp.Equal(ids(p), []string{e.ID})
	}
}

func TestWatch(t *testing.T) {
	ix, log := newFollowed(t)
	news, stop := ix.Watch()
	e := order(1, "default", "shop", "ada@example.com")
	log.event(e, events.Normal)
	if rows := <-news; len(rows) != 1 || rows[0].ID != e.ID || rows[0].State != events.Waiting {
		t.Errorf("first news: %+v", rows)
	}
	log.outcome(state(e, day, events.Done, ""))
	if rows := <-news; len(rows) != 1 || rows[0].State != events.Done {
		t.Errorf("second news: %+v", rows)
	}
	stop()
	log.outcome(state(e, day, events.Failed, ""))
	caughtUp(t, ix, log)
	if len(news) != 0 {
		t.Error("news after the end")
	}
}

// TestSlowWatcher holds that a watcher who does not read keeps nobody waiting and sees the newest in the end.
func TestSlowWatcher(t *testing.T) {
	ix, log := newFollowed(t)
	news, stop := ix.Watch()
	defer stop()
	for n := range 100 {
		log.event(order(n, "default", "shop", "ada@example.com"), events.Normal)
		caughtUp(t, ix, log)
	}
	var last events.Row
	for len(news) > 0 {
		rows := <-news
		last = rows[len(rows)-1]
	}
	if last.ID != "shop:order.paid:99" {
		t.Errorf("the last news is %q", last.ID)
	}
}

// TestPrune holds that old events go, but those that need a person.
func TestPrune(t *testing.T) {
	ix, log := newFollowed(t)
	for n := range 2500 {
		e := order(n, "default", "shop", "ada@example.com")
		log.event(e, events.Normal)
		switch s := []events.State{events.Done, events.Done, events.Failed, events.StateDiscarded, events.Waiting}[n%5]; s {
		case events.Waiting:
		default:
			log.outcome(state(e, e.Received, s, ""))
		}
	}
	caughtUp(t, ix, log)
	ix.writing.Lock()
	for more, rounds := true, 0; more; rounds++ {
		var err error
		if more, err = ix.store.prune(t.Context(), day.Add(100*24*time.Hour), day.Add(2000*time.Second)); err != nil || rounds > 10 {
			t.Fatal(rounds, err)
		}
	}
	ix.writing.Unlock()
	got := map[events.State]int{}
	tallies, err := ix.Tallies(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, y := range tallies {
		got[y.State] += y.Events
	}
	if diff := cmp.Diff(map[events.State]int{events.Done: 200, events.StateDiscarded: 100, events.Failed: 500, events.Waiting: 500}, got); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	p, err := ix.List(t.Context(), events.Filter{State: events.Failed, Until: day.Add(10 * time.Second)}, 0, "")
	if err != nil || len(p.Rows) != 2 {
		t.Errorf("old failed events: %v, %v; want 2", ids(p), err)
	}
}

// TestInterrupted stops Follow at random moments, in the middle of transactions too, and counts nothing twice.
func TestInterrupted(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	ix, log := open(t, filepath.Join(t.TempDir(), "history.db")), newMemoryLog()
	const count = 1200
	for n := range count {
		e := order(n, "default", "shop", "ada@example.com")
		log.event(e, events.Normal)
		log.outcome(events.Outcome{Kind: events.OutcomeCall, At: day, Account: "default", Call: &events.CallReport{
			Operation: "tags.apply", Status: 200, Served: []events.Served{{Key: e.Key(), Step: "s", Rule: "r"}}}})
		log.outcome(state(e, day, events.Done, ""))
	}
	for range 25 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.IntN(4000))*time.Microsecond)
		if err := ix.Follow(ctx, chunked{log, 50}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	followUntilCaughtUp(t, ix, log)
	tallies, err := ix.Tallies(t.Context())
	if err != nil || len(tallies) != 1 || tallies[0].Events != count || tallies[0].State != events.Done {
		t.Errorf("tallies: %+v, %v", tallies, err)
	}
	costs, err := ix.Costs(t.Context(), events.Series{Since: day.Add(-time.Hour), Until: day.Add(time.Hour), Step: time.Hour})
	if err != nil || len(costs) != 1 || costs[0].Calls != count || costs[0].Steps != count {
		t.Errorf("costs: %+v, %v", costs, err)
	}
	p, err := ix.List(t.Context(), events.Filter{State: events.Done}, 1, "")
	if err != nil || len(p.Rows) != 1 || p.Rows[0].Calls != 1 {
		t.Errorf("rows: %+v, %v", p.Rows, err)
	}
}

// chunked hands records over in small batches.
type chunked struct {
	Log
	size int
}

func (c chunked) Tail(ctx context.Context, after events.Position, fn func([]events.LogRecord) error) error {
	return c.Log.Tail(ctx, after, func(recs []events.LogRecord) error {
		for part := range slices.Chunk(recs, c.size) {
			if err := fn(part); err != nil {
				return err
			}
		}
		return nil
	})
}
