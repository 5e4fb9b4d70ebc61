package queue

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

// holds lists the files under dir that contain text. A running server renames and removes files below the reader: then the
// walk begins again, so that a file that was renamed is not missed.
func holds(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	for tries := 0; ; tries++ {
		found = nil
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := os.ReadFile(path)
			if bytes.Contains(bytes.ToLower(body), []byte(text)) {
				found = append(found, strings.TrimPrefix(path, dir))
			}
			return err
		})
		if err == nil {
			return found
		}
		if !errors.Is(err, fs.ErrNotExist) || tries == 100 {
			t.Fatal(err)
		}
	}
}

// TestErase: nothing of the person is left on disk, resends stay out, a new purchase comes in, others are not touched.
func TestErase(t *testing.T) {
	broken := true
	b, s := startStepper(t, testOptions(t), onStep("r/order#1", events.Verdict{Kind: events.VerdictBury, Reason: events.KeapRejected, Detail: "zoe@example.com"}, &broken))
	ctx := context.Background()
	failed, fine, other := event("1", "Zoe@example.com"), event("2", "zoe@example.com"), event("3", "other@example.com")
	accept(t, b.Queue, failed)
	eventually(t, "failed", func() bool { return strings.HasPrefix(b.index.last(failed.Key()), "failed") })
	broken = false
	accept(t, b.Queue, fine, other)
	eventually(t, "done", func() bool { return b.index.last(fine.Key()) == "done" && b.index.last(other.Key()) == "done" })
	if err := b.SaveContact(ctx, "default", b.ContactHash("e:zoe@example.com"), []byte("zoe@example.com"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := b.js.Publish(ctx, "ingest.default.crm", []byte("no event, but from ZOE@example.com")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message failed", func() bool { return len(b.slots(t)) == 2 })
	if len(holds(t, b.opt.DataDir, "zoe@example.com")) == 0 {
		t.Fatal("the test looks in the wrong place")
	}
	drain(s.did)
	rows := []events.Row{{Key: failed.Key(), Account: "default", Seq: 1}, {Key: fine.Key(), Account: "default", Seq: 2}}
	n, err := b.Erase(ctx, " ZOE@example.com", rows)
	if err != nil || n != 3 {
		t.Fatalf("erased %d, %v", n, err)
	}
	eventually(t, "erased is told", func() bool { return b.index.last(failed.Key()) == "done/erased" })
	if e, err := b.Stored(ctx, "default", fine.Key(), 2); e != nil || err != nil {
		t.Errorf("still stored: %v, %v", e, err)
	}
	if e, err := b.Stored(ctx, "default", other.Key(), 3); e == nil || err != nil {
		t.Errorf("somebody else's event: %v, %v", e, err)
	}
	if _, known, err := b.Contact(ctx, "default", b.ContactHash("e:zoe@example.com")); known || err != nil {
		t.Errorf("the contact is still known: %v", err)
	}
	if left := holds(t, b.opt.DataDir, "zoe@example.com"); len(left) > 0 {
		// The outcome of the failure says what the worker said; everything else must be clean.
		for _, path := range left {
			if !strings.Contains(path, "OUTCOMES") {
				t.Errorf("left on disk: %s", path)
			}
		}
	}
	b.groups.decide = done
	b = b.restart(t)
	fresh := event("4", "zoe@example.com")
	accept(t, b.Queue, failed, fine, fresh)
	eventually(t, "the new purchase is done", func() bool { return b.index.last(fresh.Key()) == "done" })
	for _, d := range b.groups.all() {
		if d.Event.ID != "4" {
			t.Errorf("a resend of an erased event was worked: %s", d.Event.ID)
		}
	}
}

// TestEraseWhatIsInHand: whoever has the event goes on with nothing, and nothing is stuck.
func TestEraseWhatIsInHand(t *testing.T) {
	b := started(t, testOptions(t), nil)
	ctx := context.Background()
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "in hand", func() bool { return len(b.groups.all()) == 1 })
	if n, err := b.Erase(ctx, "a@example.com", []events.Row{{Key: e.Key(), Account: "default", Seq: 1}}); n != 1 || err != nil {
		t.Fatalf("erased %d, %v", n, err)
	}
	if err := b.groups.hands(0).settle[0](ctx, events.Verdict{Kind: events.VerdictDone}); err != nil {
		t.Errorf("late verdict: %v", err)
	}
	states, err := b.Streams(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if (strings.HasPrefix(s.Name, streamWork) || s.Name == streamEvents) && s.Messages > 0 {
			t.Errorf("left: %+v", s)
		}
	}
}

func TestUnrouted(t *testing.T) {
	q := openQueue(t, testOptions(t)) // not started: nobody routes
	ctx := context.Background()
	other := event("1", "a@example.com")
	other.Account = "second"
	accept(t, q, event("1", "a@example.com"), event("2", "a@example.com"), other)
	if _, err := q.js.Publish(ctx, "ingest.second.crm", []byte("x")); err != nil {
		t.Fatal(err)
	}
	got, err := q.Unrouted(ctx)
	if err != nil || got["default"] != 2 || got["second"] != 2 || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
