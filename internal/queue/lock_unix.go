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
