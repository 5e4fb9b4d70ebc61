package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"bridge/internal/config"
)

// Handover is what a running serve leaves in its data directory for the commands on the same machine: where its
// console is and a token for it. The file can be read by its owner only.
type Handover struct {
	Address string `json:"address"` // http://127.0.0.1:8081
	Token   string `json:"token"`
	PID     int    `json:"pid"`
	Store   string `json:"store,omitempty"` // fingerprint of the address of the external NATS; "" = embedded
}

// storeOf is the fingerprint of a NATS address, which may hold a password.
func storeOf(url string) string {
	if url == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:8])
}

// RunningServe finds the serve that uses the data directory and the NATS of the environment; fs.ErrNotExist when none
// left a word.
func RunningServe(env *config.Env) (Handover, error) {
	h, err := ReadHandover(env.DataDir)
	if err == nil && h.Store != storeOf(env.NatsURL) {
		err = fs.ErrNotExist
	}
	return h, err
}

const handoverFile = "console.json"

// leaveHandover writes the file and returns what takes it away again.
func leaveHandover(dir string, h Handover) (remove func(context.Context) error, err error) {
	body, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, handoverFile)
	fresh := path + ".new"
	if err := os.WriteFile(fresh, body, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, path); err != nil {
		return nil, err
	}
	return func(context.Context) error {
		if now, err := ReadHandover(dir); err != nil || now.PID != h.PID {
			return nil // another process has left its own by now
		}
		return os.Remove(path)
	}, nil
}

// ReadHandover finds the running serve of a data directory; fs.ErrNotExist when none left a word.
func ReadHandover(dir string) (Handover, error) {
	var h Handover
	body, err := os.ReadFile(filepath.Join(dir, handoverFile))
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(body, &h); err != nil || h.Address == "" {
		return h, errors.Join(fs.ErrNotExist, err)
	}
	return h, nil
}

// randomToken is 128 bits and more.
func randomToken() string { return rand.Text() }
