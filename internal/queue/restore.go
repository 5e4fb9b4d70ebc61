package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// onTheWay is how far before its beginning a backup made at work may hold an event in the log whose pointer it
// missed: the router writes both within moments.
const onTheWay = 10 * time.Minute

// movedMarker stands in a data directory whose store was migrated: working it again would do everything twice.
const movedMarker = "MOVED-TO-ANOTHER-SERVER"

// streamRestoring stands where a restore has begun and not ended. It holds nothing. While it is there nobody can open the
// queue, so that all of our streams beside it are leftovers.
const streamRestoring = "RESTORING"

// Restore fills an empty place (a new data directory, or an external server without our streams) from a backup. The whole
// file is checked first. Sequences and times stay; duplicates are recognised through the index, which is built anew. One that
// was cut short is begun anew by calling it again; until then the place cannot be opened.
func Restore(ctx context.Context, opt Options, backup io.ReadSeeker) (report BackupReport, err error) {
	if report, err = VerifyBackup(backup); err != nil {
		return report, err
	}
	if err := sameLayout(report.Streams); err != nil {
		return report, err
	}
	if _, err := backup.Seek(0, io.SeekStart); err != nil {
		return report, err
	}
	q, err := dial(ctx, opt)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, q.disconnect()) }()
	if err := q.makeRoom(ctx); err != nil {
		return report, err
	}
	if err := q.refill(ctx, &report, backup); err != nil {
		return report, err
	}
	if err := q.js.DeleteStream(ctx, streamRestoring); err != nil {
		return report, fmt.Errorf("end the restore: %w", err)
	}
	return report, nil
}

// sameLayout refuses a backup whose streams are not exactly ours: nobody would read what is in others.
func sameLayout(list []StreamState) error {
	var ours, theirs []string
	for _, cfg := range streams(1, minRetention) {
		ours = append(ours, cfg.Name)
	}
	for _, s := range list {
		theirs = append(theirs, s.Name)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	if !slices.Equal(ours, theirs) {
		return fault("the backup is of a version of the bridge that keeps its events otherwise",
			"restore it with the version that made it, let that work off what waits, and make a new backup", "it holds %v", theirs)
	}
	return nil
}

// refill restores every stream, and lines up what the backup missed.
func (q *Queue) refill(ctx context.Context, report *BackupReport, backup io.Reader) error {
	b, err := openBackup(backup)
	if err != nil {
		return err
	}
	for i, want := range report.Streams {
		s, _, err := b.stream(i)
		if err != nil {
			return err
		}
		s.Config.Replicas = q.opt.Replicas
		got, err := q.giveSnapshot(ctx, s, b.next)
		if err != nil {
			return err
		}
		if err := compareCounts(want, got); err != nil {
			return err
		}
	}
	if err := q.ensureStreams(ctx); err != nil {
		return err
	}
	report.Again, err = q.lineUpAgain(ctx, report.At.Add(-onTheWay))
	return err
}

// compareCounts holds a restored stream against what the backup says of it. Where it was made at work, messages may have
// come while it was written, and others may have been settled; a log loses what has aged out since.
func compareCounts(want StreamState, got jetstream.StreamState) error {
	log := want.Name == streamEvents || want.Name == streamOut
	if got.LastSeq < want.Last || log && got.FirstSeq == want.First && got.Msgs < want.Messages {
		return fmt.Errorf("stream %s: %d messages up to %d were restored, the backup says %d up to %d", want.Name, got.Msgs, got.LastSeq, want.Messages, want.Last)
	}
	return nil
}

// notHalf refuses a place that a restore was cut short in.
func (q *Queue) notHalf(ctx context.Context) error {
	_, err := q.js.Stream(ctx, streamRestoring)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("stream %s: %w", streamRestoring, err)
	}
	return fault("a restore was begun here and did not end", "run bridge restore again: it begins anew", "stream %s is there", streamRestoring)
}

// makeRoom deletes our streams where they are empty, or left behind by a restore that was cut short, and refuses where
// they are not.
func (q *Queue) makeRoom(ctx context.Context) error {
	var existing []string
	_, err := q.js.Stream(ctx, streamRestoring)
	again := err == nil
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("stream %s: %w", streamRestoring, err)
	}
	for _, cfg := range streams(1, minRetention) {
		s, err := q.js.Stream(ctx, cfg.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", cfg.Name, err)
		}
		// The ledger holds at least the salt of an installation that was only opened.
		if !again && cfg.Name != streamLedger && s.CachedInfo().State.LastSeq > 0 {
			return fault("there are events already where the backup is to go", "choose an empty --data-dir or an account without these streams", "stream %s is not empty", cfg.Name)
		}
		existing = append(existing, cfg.Name)
	}
	if !again {
		cfg := jetstream.StreamConfig{Name: streamRestoring, Subjects: []string{"bridge.restoring"}, Storage: jetstream.FileStorage, Replicas: q.opt.Replicas}
		if _, err := q.js.CreateStream(ctx, cfg); err != nil {
			return fmt.Errorf("begin the restore: %w", err)
		}
	}
	for _, name := range existing {
		if err := q.js.DeleteStream(ctx, name); err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	return nil
}

// lineUpAgain lines up every event that was logged since then. The memory of steps keeps what is done from being done again.
func (q *Queue) lineUpAgain(ctx context.Context, since time.Time) (count int, err error) {
	q.memory = startMemory(q)
	defer func() { err = errors.Join(err, q.memory.stop(ctx)) }()
	last, err := q.lastSeq(ctx, streamEvents)
	if err != nil {
		return 0, err
	}
	var found []entry
	for seq := last; seq > 0; seq-- {
		msg, err := q.get(ctx, streamEvents, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("read the log: %w", err)
		}
		if msg.Time.Before(since) {
			break
		}
		en, err := parseEntry(msg.Header, msg.Data, msg.Sequence)
		if err != nil {
			return 0, err
		}
		found = append(found, en)
	}
	for _, en := range slices.Backward(found) {
		again, err := q.lineUp(ctx, en)
		if err != nil {
			return count, err
		}
		if again {
			count++
		}
	}
	return count, nil
}

// lineUp lines an event up, unless its journal says that nothing is left to do or a person has to look at it.
func (q *Queue) lineUp(ctx context.Context, en entry) (bool, error) {
	key := en.event.Key()
	j, marks, err := q.memory.peek(ctx, key, en.seal)
	if err != nil || marks.Discarded || j.chapter(&marks) == finished {
		return false, err
	}
	slot, _, err := q.slot(ctx, en.event.Account, key)
	if err != nil || slot != nil {
		return false, err
	}
	unit := map[groupLane]bool{{en.group, en.lane}: true}
	if err := q.register(ctx, unit); err != nil {
		return false, err
	}
	p := pointer{Key: key, Seq: en.seq, Size: en.size, Contact: en.contact, Old: true}
	_, err = q.put(ctx, p.msg(en.group, en.lane, "restore:"+nuid.Next()))
	return err == nil, err
}

// Migrate copies an embedded queue that is not in use to an external server and marks the data directory, so that it
// is not worked again.
func Migrate(ctx context.Context, from, to Options) (report BackupReport, err error) {
	if from.URL != "" || to.URL == "" {
		return report, errors.New("a migration goes from a data directory to a server")
	}
	file, err := os.CreateTemp(from.DataDir, "migrate-*.backup")
	if err != nil {
		return report, fault("the data directory cannot be written", "a migration needs room for a copy of it", "%w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	q, err := Open(ctx, from)
	if err != nil {
		return report, err
	}
	if _, err = q.Backup(ctx, file); err != nil {
		return report, errors.Join(err, q.Close(ctx))
	}
	if err := q.Close(ctx); err != nil {
		return report, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return report, err
	}
	if report, err = Restore(ctx, to, file); err != nil {
		return report, err
	}
	text := "This store was copied to another NATS server. Set BRIDGE_NATS_URL to it.\n" +
		"Working this copy again would do everything in it twice; delete this file only to go back before the other one was used.\n"
	return report, writeSynced(filepath.Join(from.DataDir, movedMarker), text)
}
