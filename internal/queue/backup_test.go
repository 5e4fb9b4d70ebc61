package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// TestBackupAtWork: a backup made under load brings everything back that was accepted before it began: done stays
// done, the rest is worked, resends are recognised, no step that was marked runs twice.
func TestBackupAtWork(t *testing.T) {
	t.Parallel()
	never := false
	b, _ := startStepper(t, testOptions(t), onStep("", events.Verdict{}, &never))
	ctx := context.Background()
	var before []events.Event
	for i := range 300 {
		before = append(before, event(fmt.Sprint(i), fmt.Sprintf("c%d@example.com", i%20)))
		if i%10 == 9 {
			accept(t, b.Queue, before[i-9:i+1]...)
		}
	}
	unknown := event("failed", "a@example.com")
	unknown.Account = "unknown"
	accept(t, b.Queue, unknown)
	var file bytes.Buffer
	made, err := b.Backup(ctx, &file)
	if err != nil {
		t.Fatal(err)
	}
	b.stop(t)

	opt := testOptions(t)
	report, err := Restore(ctx, opt, bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Streams) != len(made.Streams) || len(made.Streams) == 0 {
		t.Errorf("restored %+v of %+v", report.Streams, made.Streams)
	}
	t.Logf("%d bytes, %d events lined up again", file.Len(), report.Again)
	c, _ := startStepper(t, opt, onStep("", events.Verdict{}, &never))
	for _, e := range before {
		eventually(t, "all are done", func() bool { return c.index.last(e.Key()) == "done" })
	}
	eventually(t, "the failed one is still failed", func() bool { return c.index.last(unknown.Key()) == "failed/config" && len(c.slots(t)) == 1 })
	eventually(t, "nothing waits", func() bool { return c.waiting(t) == 0 }) // what was lined up again is told as done once more
	settled, after := event("settled", "z@example.com"), event("after", "z@example.com")
	accept(t, c.Queue, settled)
	eventually(t, "an event after the restore is done", func() bool { return c.index.last(settled.Key()) == "done" })
	told := len(c.index.states(before[7].Key()))
	accept(t, c.Queue, before[7], after)
	eventually(t, "an event after a resend is done", func() bool { return c.index.last(after.Key()) == "done" })
	if states := c.index.states(before[7].Key()); len(states) != told {
		t.Errorf("a resend after the restore: %v", states)
	}
	_, err = Restore(ctx, Options{DataDir: opt.DataDir}, bytes.NewReader(file.Bytes()))
	if !errors.Is(err, ErrLocked) {
		t.Errorf("restored into a queue in use: %v", err)
	}
	c.stop(t)
	var refused *Fault
	if _, err = Restore(ctx, opt, bytes.NewReader(file.Bytes())); !errors.As(err, &refused) || refused.Hint == "" {
		t.Errorf("restored over events: %v", err)
	}
}

// waiting counts what is lined up for work.
func (b *bench) waiting(t *testing.T) (n uint64) {
	t.Helper()
	for name, stream := range b.streams {
		if !strings.HasPrefix(name, streamWork) {
			continue
		}
		info, err := stream.Info(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		n += info.State.Msgs
	}
	return n
}

// TestDamagedBackup: no damage anywhere goes unnoticed, and nothing is touched before the whole file was checked.
func TestDamagedBackup(t *testing.T) {
	t.Parallel()
	q := openQueue(t, testOptions(t))
	accept(t, q, event("1", "a@example.com"))
	var file bytes.Buffer
	if _, err := q.Backup(context.Background(), &file); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyBackup(bytes.NewReader(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	start := bytes.IndexByte(file.Bytes()[len(backupMagic):], '\n') + len(backupMagic) + 1 // behind the time
	for range 300 {
		damaged := slices.Clone(file.Bytes())
		at := start + random.IntN(len(damaged)-start)
		switch random.IntN(2) {
		case 0:
			damaged[at] ^= 1 << random.IntN(8)
			if strings.EqualFold(string(damaged), file.String()) {
				continue // the case of a JSON key at the very end
			}
		default:
			damaged = damaged[:at]
		}
		if _, err := VerifyBackup(bytes.NewReader(damaged)); !errors.Is(err, errBackup) {
			t.Fatalf("damage at %d was not noticed: %v", at, err)
		}
	}
}

func FuzzVerifyBackup(f *testing.F) {
	f.Add([]byte(backupMagic + `{"at":"2026-01-01T00:00:00Z"}` + "\n" + `{"end":true,"streams":0}` + "\n"))
	f.Add([]byte(backupMagic + `{}` + "\n" + `{"config":{"name":"X"},"state":{}}` + "\n\x00\x00\x00\x01a"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = VerifyBackup(bytes.NewReader(data)) })
}

// TestMigrate moves an embedded queue to a server: sequences and times stay, and the old place refuses to be worked.
func TestMigrate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	from := testOptions(t)
	a := started(t, from, func(d events.Delivery) (events.Verdict, bool) { return done(d) })
	first := event("1", "a@example.com")
	accept(t, a.Queue, first)
	eventually(t, "done", func() bool { return a.index.last(first.Key()) == "done" })
	waiting := event("2", "b@example.com")
	if err := a.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	accept(t, a.Queue, waiting)
	a.stop(t)
	to := externalOptions(t, startExternal(t))
	report, err := Migrate(ctx, from, to)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(report.Streams, func(s StreamState) bool { return s.Name == streamEvents }); i < 0 || report.Streams[i].Last != 1 {
		t.Errorf("report: %+v", report)
	}
	var refused *Fault
	if _, err := Open(ctx, from); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "BRIDGE_NATS_URL") {
		t.Errorf("the old place was opened: %v", err)
	}
	b := startMember(t, to.URL, done)
	eventually(t, "what waited is done", func() bool { return b.index.last(waiting.Key()) == "done" })
	if b.index.last(first.Key()) != "done" {
		t.Errorf("the first: %v", b.index.states(first.Key()))
	}
	accept(t, b.Queue, first)
	third := event("3", "b@example.com")
	accept(t, b.Queue, third)
	eventually(t, "the third is done", func() bool { return b.index.last(third.Key()) == "done" })
	info, err := b.streams[streamEvents].Info(ctx)
	if err != nil || info.State.LastSeq != 3 || info.Config.Retention != jetstream.LimitsPolicy {
		t.Errorf("log: %+v, %v", info, err)
	}
}
