package queue

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// headerSeal holds, in an event's entry of the log, the key of what is remembered of that event.
const headerSeal = "Bridge-Seal"

// seal is the key that an event's journal is encrypted with. The server keeps older versions of a journal on disk until it
// compacts the file, and cannot overwrite them. The key stands in the event's entry of the log and nowhere else, so that
// overwriting that one message takes every version of the journal with it. It costs no write of its own.
type seal struct {
	seq uint64 // the entry that holds the key
	key []byte // nil: an entry of an earlier version has none, and its journal is stored as it is
}

// A sealed value is sealedForm, the entry's position (8 bytes, big-endian), and the ciphertext behind its random nonce. A value that is
// not sealed is JSON, which begins otherwise.
const (
	sealedForm = 1
	sealedHead = 1 + 8
	sealBytes  = 16
)

// errUnsealed says that the key of a value is gone, and the value with it.
var errUnsealed = errors.New("the event of this value is gone")

func newSeal() string {
	key := make([]byte, sealBytes)
	_, _ = rand.Read(key) // it never fails (crypto/rand)
	return base64.RawStdEncoding.EncodeToString(key)
}

// parseSeal reads the header; an entry without it, or with one that is damaged, has no key.
func parseSeal(seq uint64, header string) seal {
	key, err := base64.RawStdEncoding.DecodeString(header)
	if err != nil || len(key) != sealBytes {
		return seal{}
	}
	return seal{seq: seq, key: key}
}

func (s seal) cipher() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// close encrypts a value; without a key it stays as it is.
func (s seal) close(value []byte) ([]byte, error) {
	if s.key == nil {
		return value, nil
	}
	c, err := s.cipher()
	if err != nil {
		return nil, fmt.Errorf("seal the memory of steps: %w", err)
	}
	head := make([]byte, sealedHead, sealedHead+len(value)+c.Overhead())
	head[0] = sealedForm
	binary.BigEndian.PutUint64(head[1:], s.seq)
	return c.Seal(head, nil, value, head), nil //nolint:gosec // the cipher makes its nonces at random
}

// open decrypts a value that close made.
func (s seal) open(value []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, fmt.Errorf("open the memory of steps: %w", err)
	}
	if len(value) < sealedHead {
		return nil, errors.New("open the memory of steps: the value is cut short")
	}
	plain, err := c.Open(nil, nil, value[sealedHead:], value[:sealedHead])
	if err != nil {
		return nil, fmt.Errorf("open the memory of steps: %w", err)
	}
	return plain, nil
}

// unseal reads a stored value, sealed or not. It looks the key up unless known holds it already, and gives errUnsealed when
// the entry is gone.
func (q *Queue) unseal(ctx context.Context, value []byte, known seal) ([]byte, seal, error) {
	if len(value) < sealedHead || value[0] != sealedForm {
		return value, known, nil
	}
	if seq := binary.BigEndian.Uint64(value[1:]); known.key == nil || known.seq != seq {
		en, err := q.entry(ctx, seq)
		switch {
		case errors.Is(err, ErrUnknownEvent):
			return nil, known, errUnsealed
		case err != nil:
			return nil, known, err
		}
		known = en.seal
	}
	if known.key == nil {
		return nil, known, errUnsealed
	}
	plain, err := known.open(value)
	return plain, known, err
}
