package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// disk is a file system of its own, in an image that is mounted through a loop device.
type disk struct {
	t          *testing.T
	image, dir string
}

func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	d := &disk{t: t, image: filepath.Join(t.TempDir(), "image"), dir: filepath.Join(t.TempDir(), "disk")}
	if os.Getuid() != 0 {
		t.Skip("skipped: a disk of its own needs root")
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, size); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("skipped: a disk of its own needs mkfs.ext4: %v: %s", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("skipped: a disk of its own needs loop devices: %v: %s", err, out)
	}
	t.Cleanup(func() { d.run("umount", d.dir) })
	return d
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// again mounts the disk as it is after a cut.
func (d *disk) again() {
	d.t.Helper()
	d.run("umount", d.dir)
	d.run("mount", "-o", "loop", d.image, d.dir)
}

// The kernel's EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h): from one moment to the next nothing reaches
// the device any more, neither data in memory nor the journal.
const (
	ext4Shutdown   = 0x8004587d
	ext4NoLogFlush = 2
)

// cut is a power cut: what was not written to the device is gone.
func (d *disk) cut() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	how := uint32(ext4NoLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		d.t.Skipf("skipped: this kernel cannot cut a file system off: %v", errno)
	}
}

// stop returns when every thread of a child stands still: the signal alone comes back before that.
func stop(t *testing.T, p *os.Process) {
	t.Helper()
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || !status.Stopped() {
			t.Fatalf("the child does not stop: %v, status %#x", err, status)
		}
		return
	}
}

// TestPowerCut cuts the power of the disk at random moments under load. What was answered for is there afterwards, once,
// and no step that was recorded as done runs again. The device itself keeps what was flushed to it.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	d := newDisk(t, 128<<20)
	dir, witness := filepath.Join(d.dir, "data"), t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	cuts := 4
	if testing.Short() {
		cuts = 2
	}
	for i := range cuts {
		cmd, stderr := startChild(t, dir, witness)
		<-time.After(50*time.Millisecond + time.Duration(random.IntN(350))*time.Millisecond)
		stop(t, cmd.Process) // it is not to tell of errors
		lost := filepath.Join(d.dir, fmt.Sprintf("not-flushed-%d", i))
		if err := os.WriteFile(lost, []byte("only in memory"), 0o600); err != nil {
			t.Fatal(err)
		}
		d.cut()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); cmd.ProcessState.Exited() {
			t.Fatalf("the child ended by itself: %v, %s", err, stderr)
		}
		d.again()
		if body, err := os.ReadFile(lost); err == nil && len(body) > 0 {
			t.Fatal("the cut takes nothing away: the test tests nothing")
		}
	}
	checkWitness(t, dir, witness)
}
