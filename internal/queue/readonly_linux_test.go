package queue

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
)

// TestDiskReadOnly: a file system that the kernel makes read-only over an error takes nothing more. The queue says so rather
// than lie, a start says why it fails, and when the disk is repaired all that was accepted is done.
func TestDiskReadOnly(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 128<<20)
	d.run("mount", "-o", "remount,errors=remount-ro", d.dir)
	opt := testOptions(t)
	opt.DataDir = filepath.Join(d.dir, "data")
	b := started(t, opt, done)
	var accepted []events.Event
	refused := func() bool {
		e := benchEvent(int64(len(accepted)) + 5000)
		_, err := b.Accept(context.Background(), []events.Event{e})
		if err == nil {
			accepted = append(accepted, e)
		} else if !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		return err != nil
	}
	for range 20 {
		if refused() {
			t.Fatal("refused by a whole disk")
		}
	}
	device, err := exec.Command("findmnt", "-n", "-o", "SOURCE", d.dir).Output()
	if err != nil {
		t.Skipf("skipped: findmnt is needed: %v", err)
	}
	trigger := "/sys/fs/ext4/" + filepath.Base(strings.TrimSpace(string(device))) + "/trigger_fs_error"
	if err := os.WriteFile(trigger, []byte("a test"), 0o600); err != nil {
		t.Skipf("skipped: this kernel lets nobody make a file system fail: %v", err)
	}
	begin := time.Now()
	eventually(t, "the queue says that it cannot go on", func() bool { refused(); return isLost(b) })
	t.Logf("known after %v", time.Since(begin).Round(time.Millisecond))
	if !refused() {
		t.Error("accepted after all")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = b.Stop(ctx), b.Close(ctx) // nothing can be written down any more
	b.index.stop(t)
	var why *Fault
	if q, err := Open(context.Background(), opt); !errors.As(err, &why) {
		t.Errorf("opened on a read-only disk: %v", err)
		if err == nil {
			closeQueue(t, q)
		}
	}
	d.run("umount", d.dir)
	_ = exec.Command("e2fsck", "-y", d.image).Run() // its exit code tells of what it repaired
	d.run("mount", "-o", "loop", d.image, d.dir)
	again := &bench{Queue: openQueue(t, opt), groups: &testGroups{decide: done}, front: b.front}
	again.start(t)
	for _, e := range accepted {
		eventually(t, e.ID+" is done after all", func() bool { return again.index.last(e.Key()) == "done" })
	}
}
