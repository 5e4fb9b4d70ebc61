package queue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// cutShort is a backup whose second reading ends after some bytes.
type cutShort struct {
	*bytes.Reader
	after   int64
	reading int
}

var errCut = errors.New("cut short")

func (c *cutShort) Seek(offset int64, whence int) (int64, error) {
	c.reading++
	return c.Reader.Seek(offset, whence)
}

func (c *cutShort) Read(p []byte) (int, error) {
	if c.reading == 0 {
		return c.Reader.Read(p)
	}
	if c.after <= 0 {
		return 0, errCut
	}
	n, err := c.Reader.Read(p[:min(int64(len(p)), c.after)])
	c.after -= int64(n)
	return n, err
}

var _ io.ReadSeeker = (*cutShort)(nil)

// streamEnds tells where each stream of a backup ends. Cut in the middle of one, the embedded server would leave a goroutine
// behind, which the test of all goroutines is right to complain of.
func streamEnds(t *testing.T, backup []byte) (ends []int64) {
	t.Helper()
	r := bytes.NewReader(backup)
	b, err := openBackup(r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, ok, err := b.stream(len(ends))
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return ends
		}
		for piece := []byte{0}; len(piece) > 0; {
			if piece, err = b.next(); err != nil {
				t.Fatal(err)
			}
		}
		ends = append(ends, int64(len(backup)-r.Len()-b.r.Buffered()))
	}
}

// TestRestoreAgain: a restore that was cut short, early or late, leaves a place that refuses to be worked, and is repeated until
// it is through. Resends are recognised then, and what waited is worked once.
func TestRestoreAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	a := started(t, testOptions(t), func(d events.Delivery) (events.Verdict, bool) { return done(d) })
	var finished []events.Event
	for i := range 50 {
		finished = append(finished, event(fmt.Sprint(i), fmt.Sprintf("c%d@example.com", i%7)))
	}
	accept(t, a.Queue, finished...)
	for _, e := range finished {
		eventually(t, "done", func() bool { return a.index.last(e.Key()) == "done" })
	}
	if err := a.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	waiting := event("waiting", "z@example.com")
	accept(t, a.Queue, waiting)
	var file bytes.Buffer
	if _, err := a.Backup(ctx, &file); err != nil {
		t.Fatal(err)
	}
	a.stop(t)

	opt := testOptions(t)
	ends := streamEnds(t, file.Bytes())
	for _, n := range []int{0, 1, len(ends) / 2, len(ends) - 2} {
		cut := &cutShort{Reader: bytes.NewReader(file.Bytes()), after: ends[n]}
		if _, err := Restore(ctx, opt, cut); !errors.Is(err, errCut) {
			t.Fatalf("cut behind stream %d: %v", n, err)
		}
		var refused *Fault
		if _, err := Open(ctx, opt); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "restore again") {
			t.Fatalf("cut behind stream %d, opened: %v", n, err)
		}
	}
	if _, err := Restore(ctx, opt, bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	b := started(t, opt, func(d events.Delivery) (events.Verdict, bool) { return done(d) })
	// What was logged shortly before the backup is lined up once more: these hands remember no steps.
	eventually(t, "all are done", func() bool {
		return len(b.groups.all()) == len(finished)+1 && b.index.last(waiting.Key()) == "done" && b.index.last(finished[3].Key()) == "done"
	})
	told := len(b.index.states(finished[3].Key()))
	fresh := event("fresh", "z@example.com")
	accept(t, b.Queue, finished[3], fresh)
	eventually(t, "a new one is done", func() bool { return b.index.last(fresh.Key()) == "done" })
	if now := len(b.index.states(finished[3].Key())); now != told {
		t.Errorf("a resend was worked: %v", b.index.states(finished[3].Key()))
	}
	b.stop(t)
	var refused *Fault
	if _, err := Restore(ctx, opt, bytes.NewReader(file.Bytes())); !errors.As(err, &refused) {
		t.Errorf("restored over events: %v", err)
	}
}

// TestBackupOfAnotherLayout: a backup with one WORK stream, as versions before the shards made it, is refused before
// anything is touched.
func TestBackupOfAnotherLayout(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var file bytes.Buffer
	out := &backupWriter{w: bufio.NewWriter(&file)}
	out.text(backupMagic)
	out.json(backupHead{})
	names := []string{streamIntake, streamIngest, "WORK", streamEvents, streamOut, streamExchange, streamFailed, streamMemory, streamLedger}
	for _, name := range names {
		out.sum = sha256.New()
		out.json(snapshot{Config: jetstream.StreamConfig{Name: name}})
		out.end()
	}
	out.json(backupEnd{End: true, Streams: len(names)})
	if err := errors.Join(out.err, out.w.Flush()); err != nil {
		t.Fatal(err)
	}
	opt := testOptions(t)
	var refused *Fault
	if _, err := Restore(ctx, opt, bytes.NewReader(file.Bytes())); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "the version that made it") {
		t.Errorf("restored: %v", err)
	}
	q := openQueue(t, opt)
	states, err := q.Streams(ctx)
	if err != nil || slices.ContainsFunc(states, func(s StreamState) bool { return s.Name == "WORK" }) {
		t.Errorf("%+v, %v", states, err)
	}
}
