package queue

import (
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bridge/internal/events"
)

// TestDiskFull: a full disk makes Accept refuse, loses nothing that was accepted, and heals when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("skipped: a small disk needs the right to mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	opt := testOptions(t)
	opt.DataDir = filepath.Join(dir, "data")
	b := started(t, opt, done)
	var accepted []events.Event
	random := rand.New(rand.NewPCG(1, 2))
	send := func(id int) error {
		e := benchEvent(int64(id))
		noise := make([]byte, 60_000) // that nothing compresses
		for i := range noise {
			noise[i] = byte(random.Uint32())
		}
		e.Data.Raw = []byte(`"` + base64.StdEncoding.EncodeToString(noise) + `"`)
		_, err := b.Accept(context.Background(), []events.Event{e})
		if err == nil {
			accepted = append(accepted, e)
			// One after the other: the small disk keeps little room for what is on its way.
			eventually(t, e.ID+" is done", func() bool { return b.index.last(e.Key()) == "done" || isLost(b) })
		}
		return err
	}
	refused := func() bool {
		err := send(len(accepted) + 1000)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
		return err != nil
	}
	for range 10 {
		if refused() {
			t.Fatal("refused with an empty disk")
		}
	}
	fill(t, ballast, 23<<20)
	eventually(t, "nothing is accepted any more", refused)
	t.Logf("%d accepted before the disk was nearly full", len(accepted))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "events are accepted again", func() bool { return !refused() })

	// Somebody else takes the last byte: the store breaks, says so, and is whole when it is opened again.
	b.intake.room.dir = ""
	fill(t, ballast, 0)
	eventually(t, "the queue says that it cannot go on", func() bool {
		refused()
		return isLost(b)
	})
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	b = b.restart(t)
	for _, e := range accepted {
		eventually(t, e.ID+" is done after all", func() bool { return b.index.last(e.Key()) == "done" })
	}
}

func isLost(b *bench) bool {
	select {
	case <-b.Lost():
		return true
	default:
		return false
	}
}

// fill writes a file until it has a size, or (0) until nothing fits any more.
func fill(t *testing.T, path string, size int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		if info, err := f.Stat(); err != nil || size > 0 && info.Size() >= int64(size) {
			return
		}
		if _, err := f.Write(piece); err != nil {
			piece = piece[:len(piece)/2]
		}
	}
}
