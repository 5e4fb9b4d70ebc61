package queue

import (
	"os"
	"syscall"
)

// lockFile opens the file so that nobody else can. The lock ends with the process.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fault("the data directory has no usable name", "", "%w", err)
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &Fault{Message: "another process uses the data directory", Hint: "stop it, or give --data-dir another place",
			Cause: &lockedError{path, err}}
	}
	return os.NewFile(uintptr(h), path), nil
}

// unlockFile gives the lock up: it goes with the handle, which no child inherits.
func unlockFile(f *os.File) error { return f.Close() }
