//go:build unix

package queue

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes an exclusive lock that ends with the process. The file stays.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault("the data directory cannot be written", "check its permissions", "%w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(&Fault{Message: "another process uses the data directory", Hint: "stop it, or give --data-dir another place",
			Cause: &lockedError{path, err}}, f.Close())
	}
	return f, nil
}

// unlockFile gives the lock up before it closes the file: a child process that is just being started holds a copy of the
// file until it runs its program, and the lock with it (flock(2)).
func unlockFile(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
