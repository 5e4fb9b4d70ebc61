package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"bridge/internal/sources"
)

// rehearsalFile holds the key with which bridge send signs for senders whose own private keys nobody has. Only a bridge
// with the sandbox makes it and believes it.
const rehearsalFile = "rehearsal.pem"

// ReadRehearsal reads the key that `bridge serve --sandbox` left in its data folder; nil where none ran there.
func ReadRehearsal(dataDir string) (*sources.Rehearsal, error) {
	text, err := os.ReadFile(filepath.Join(dataDir, rehearsalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return sources.ReadRehearsal(text)
}

// openRehearsal is ReadRehearsal, and makes a key where there is none.
func openRehearsal(dataDir string) (*sources.Rehearsal, error) {
	r, err := ReadRehearsal(dataDir)
	if r != nil || err != nil {
		return r, err
	}
	if r, err = sources.NewRehearsal(time.Now()); err != nil {
		return nil, err
	}
	text, err := r.PEM()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, err
	}
	return r, os.WriteFile(filepath.Join(dataDir, rehearsalFile), text, 0o600)
}
