package queue

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// A backup is one file:
//
//	bridge-backup 1\n
//	{"at": …}\n
//	for each stream: {"config": …, "state": …}\n, its chunks (4 bytes length, big-endian, and that many bytes),
//	  a length of 0, and the SHA-256 of all of it (32 bytes)
//	{"end": true, "streams": n}\n
const backupMagic = "bridge-backup 1\n"

const maxChunk = 1 << 20 // the server's own bound

// BackupReport says what a backup holds, or what was restored from one.
type BackupReport struct {
	At      time.Time     `json:"at"` // when the backup began
	Streams []StreamState `json:"streams"`
	Again   int           `json:"again,omitempty"` // events lined up once more, because the backup was made while they were on their way
}

type backupHead struct {
	At time.Time `json:"at"`
}

type backupEnd struct {
	End     bool `json:"end"`
	Streams int  `json:"streams"`
}

// Backup writes everything to w: a snapshot of each stream with checksums. It may be made while the queue is at work. A
// backup holds personal data and is not encrypted, not even that of an encrypted store.
func (q *Queue) Backup(ctx context.Context, w io.Writer) (BackupReport, error) {
	report := BackupReport{At: q.opt.Now().UTC()}
	out := &backupWriter{w: bufio.NewWriterSize(w, maxChunk)}
	out.text(backupMagic)
	out.json(backupHead{At: report.At})
	for _, cfg := range streams(q.opt.Replicas, q.opt.Retention) {
		out.sum = sha256.New()
		var state StreamState
		begin := func(s snapshot) error {
			state = StreamState{Name: cfg.Name, Messages: s.State.Msgs, Bytes: s.State.Bytes, First: s.State.FirstSeq, Last: s.State.LastSeq}
			out.json(s)
			return out.err
		}
		if err := q.takeSnapshot(ctx, cfg.Name, begin, out.chunk); err != nil {
			return report, err
		}
		out.end()
		report.Streams = append(report.Streams, state)
	}
	out.json(backupEnd{End: true, Streams: len(report.Streams)})
	if out.err == nil {
		out.err = out.w.Flush()
	}
	if out.err != nil {
		return report, fmt.Errorf("write the backup: %w", out.err)
	}
	return report, nil
}

// backupWriter remembers the first error.
type backupWriter struct {
	w   *bufio.Writer
	sum hash.Hash // of the stream being written
	err error
}

func (b *backupWriter) write(p []byte) {
	if b.err != nil {
		return
	}
	if b.sum != nil {
		b.sum.Write(p)
	}
	_, b.err = b.w.Write(p)
}

func (b *backupWriter) text(s string) { b.write([]byte(s)) }

func (b *backupWriter) json(v any) {
	line, err := json.Marshal(v)
	if err != nil && b.err == nil {
		b.err = err
	}
	b.write(append(line, '\n'))
}

func (b *backupWriter) chunk(p []byte) error {
	b.write(binary.BigEndian.AppendUint32(nil, uint32(len(p))))
	b.write(p)
	return b.err
}

func (b *backupWriter) end() {
	b.write(make([]byte, 4))
	sum := b.sum.Sum(nil)
	b.sum = nil
	b.write(sum)
}

// errBackup says that a file is no whole backup.
var errBackup = errors.New("the file is damaged or no backup")

// backupReader reads what backupWriter wrote and checks it.
type backupReader struct {
	r    *bufio.Reader
	sum  hash.Hash
	head backupHead
}

func openBackup(r io.Reader) (*backupReader, error) {
	b := &backupReader{r: bufio.NewReaderSize(r, maxChunk)}
	magic := make([]byte, len(backupMagic))
	if _, err := io.ReadFull(b.r, magic); err != nil || string(magic) != backupMagic {
		return nil, errBackup
	}
	return b, b.json(&b.head)
}

func (b *backupReader) json(v any) error {
	line, err := b.r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%w: %w", errBackup, err)
	}
	if b.sum != nil {
		b.sum.Write(line)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: %w", errBackup, err)
	}
	return nil
}

// stream begins the next stream; ok is false at the end, where the count of streams is checked.
func (b *backupReader) stream(count int) (s snapshot, ok bool, err error) {
	var line struct {
		snapshot
		backupEnd
	}
	b.sum = sha256.New()
	if err := b.json(&line); err != nil {
		return s, false, err
	}
	if line.Config.Name != "" {
		return line.snapshot, true, nil
	}
	if !line.End || line.Streams != count {
		return s, false, fmt.Errorf("%w: %d of %d streams", errBackup, count, line.Streams)
	}
	return s, false, nil
}

// next reads a chunk; nil behind the last one, once the checksum was found right.
func (b *backupReader) next() ([]byte, error) {
	head := make([]byte, 4)
	if err := b.full(head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > maxChunk {
		return nil, fmt.Errorf("%w: a chunk of %d bytes", errBackup, n)
	}
	if n > 0 {
		piece := make([]byte, n)
		return piece, b.full(piece)
	}
	want := b.sum.Sum(nil)
	got := make([]byte, len(want))
	if err := b.full(got); err != nil {
		return nil, err
	}
	if !bytes.Equal(got, want) {
		return nil, fmt.Errorf("%w: a checksum differs", errBackup)
	}
	return nil, nil
}

func (b *backupReader) full(p []byte) error {
	if _, err := io.ReadFull(b.r, p); err != nil {
		return fmt.Errorf("%w: %w", errBackup, err)
	}
	b.sum.Write(p)
	return nil
}

// VerifyBackup reads a whole backup and checks every checksum. It needs no server.
func VerifyBackup(r io.Reader) (BackupReport, error) {
	b, err := openBackup(r)
	if err != nil {
		return BackupReport{}, err
	}
	report := BackupReport{At: b.head.At}
	for {
		s, ok, err := b.stream(len(report.Streams))
		if err != nil || !ok {
			return report, err
		}
		for piece := []byte{0}; len(piece) > 0; {
			if piece, err = b.next(); err != nil {
				return report, fmt.Errorf("stream %s: %w", s.Config.Name, err)
			}
		}
		report.Streams = append(report.Streams, StreamState{
			Name: s.Config.Name, Messages: s.State.Msgs, Bytes: s.State.Bytes, First: s.State.FirstSeq, Last: s.State.LastSeq,
		})
	}
}
