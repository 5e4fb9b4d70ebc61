package queue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams.
const (
	streamIntake   = "INTAKE"
	streamIngest   = "INGEST"
	streamEvents   = "EVENTS"
	streamWork     = "WORK_" // and a shard
	streamOut      = "OUTCOMES"
	streamFailed   = "FAILED"
	streamExchange = "EXCHANGES"
	streamMemory   = "KV_memory"
	streamLedger   = "KV_ledger"
)

// duplicates is the window in which JetStream itself recognises a message id. It guards against races and own
// retries only: a window of days would cost seconds at start and a gigabyte (docs/adr).
const duplicates = 2 * time.Minute

// minRetention is the least time for which the log keeps events: resends are recognised that long.
const minRetention = 7 * 24 * time.Hour

// maxIngest is the largest message that a publisher may send.
const maxIngest = 256 << 10

// workShards is among how many streams the quota groups' work is spread. The server asks every consumer of a work queue at
// each acknowledgement and at each new consumer, so that a thousand busy groups in one stream cost each event 0.3 ms.
const workShards = 8

// maxLanes bounds the consumers of a shard of WORK. Unset, JetStream allows 1,000: too few for as many busy groups with three lanes each.
const maxLanes = 30_000

// streams lists every stream as it has to be, in the order in which a backup takes them: what points to an
// event before what it points to, so that a copy made while nothing runs is whole in any case.
func streams(replicas int, retention time.Duration) []jetstream.StreamConfig {
	list := []jetstream.StreamConfig{
		{Name: streamIntake, Subjects: []string{subjectNew, subjectEnrich}, Retention: jetstream.WorkQueuePolicy},
		{Name: streamIngest, Subjects: []string{subjectIngest + "*.*"}, Retention: jetstream.WorkQueuePolicy, MaxMsgSize: maxIngest},
		{Name: streamEvents, Subjects: []string{subjectEvents + "*.*"}, Retention: jetstream.LimitsPolicy, MaxAge: retention,
			AllowAtomicPublish: true, Compression: jetstream.S2Compression},
		{Name: streamOut, Subjects: []string{subjectOut + "*"}, Retention: jetstream.LimitsPolicy, MaxAge: retention,
			Compression: jetstream.S2Compression},
		{Name: streamExchange, Subjects: []string{subjectExchange + "*.*"}, Retention: jetstream.LimitsPolicy, MaxAge: exchangesFor,
			MaxBytes: exchangesBytes, Compression: jetstream.S2Compression},
		{Name: streamFailed, Subjects: []string{subjectFailed + "*.*"}, Retention: jetstream.LimitsPolicy, MaxMsgsPerSubject: 1,
			AllowAtomicPublish: true},
		{Name: streamMemory, Subjects: []string{subjectMemory + ">"}, Retention: jetstream.LimitsPolicy, MaxMsgsPerSubject: 1,
			AllowMsgTTL: true, AllowAtomicPublish: true},
		{Name: streamLedger, Subjects: []string{subjectLedger + ">"}, Retention: jetstream.LimitsPolicy, MaxMsgsPerSubject: 1,
			AllowMsgTTL: true, SubjectDeleteMarkerTTL: time.Minute},
	}
	for shard := range workShards { // in the place of one before the log
		list = slices.Insert(list, 2+shard, jetstream.StreamConfig{
			Name: streamWork + strconv.Itoa(shard), Subjects: []string{subjectWork + strconv.Itoa(shard) + ".*.*"}, Retention: jetstream.WorkQueuePolicy,
			MaxConsumers: maxLanes, AllowAtomicPublish: true,
		})
	}
	for i := range list {
		c := &list[i]
		c.Storage, c.Replicas, c.Duplicates = jetstream.FileStorage, replicas, duplicates
		c.Discard = jetstream.DiscardNew // full: an error, never a silent loss
		if c.MaxMsgsPerSubject == 1 || c.Name == streamExchange {
			c.Discard = jetstream.DiscardOld // the slot's old value goes, or the oldest of what nobody relies on
		}
		// Direct reads may come from a follower that lags: fine for what never changes (that it is not there is asked again
		// of the leader), not for what is compared and rewritten.
		c.AllowDirect = replicas == 1 || c.Name == streamEvents
	}
	list[len(list)-1].AllowDirect = false
	return list
}

// ensureStreams creates what is missing and brings the rest to its configuration.
func (q *Queue) ensureStreams(ctx context.Context) error {
	list := streams(q.opt.Replicas, q.opt.Retention)
	made, read, errs := make([]jetstream.Stream, len(list)), make([]jetstream.Stream, len(list)), make([]error, len(list))
	var all sync.WaitGroup
	for i := range list { // side by side: each syncs files of its own
		all.Go(func() {
			if made[i], errs[i] = q.ensureStream(ctx, list[i]); errs[i] == nil {
				read[i], errs[i] = q.reads.js.Stream(ctx, list[i].Name)
			}
		})
	}
	all.Wait()
	for i := range list {
		if errs[i] != nil {
			return errs[i] // one is enough: what is wrong is mostly wrong with all
		}
		q.streams[list[i].Name], q.readable[list[i].Name] = made[i], read[i]
	}
	var err error
	if q.leading, err = q.js.Stream(ctx, streamEvents); err != nil {
		return fmt.Errorf("stream %s: %w", streamEvents, err)
	}
	q.leading.CachedInfo().Config.AllowDirect = false // the library reads from any replica where a stream allows it: this handle must not
	return nil
}

func (q *Queue) ensureStream(ctx context.Context, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	if err := q.unreadable(ctx, cfg.Name); err != nil {
		return nil, err
	}
	s, err := q.js.CreateOrUpdateStream(ctx, cfg)
	if err != nil {
		return nil, fault("the stream "+cfg.Name+" cannot be set up", "the NATS account needs JetStream with file storage and room for it", "stream %s: %w", cfg.Name, err)
	}
	return s, nil
}

// unreadable refuses a stream that has messages on disk and that the embedded server could not read: it would be
// made anew, empty.
func (q *Queue) unreadable(ctx context.Context, name string) error {
	if q.server == nil {
		return nil
	}
	_, err := q.js.Stream(ctx, name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	blocks, err := filepath.Glob(filepath.Join(q.opt.DataDir, server.JetStreamStoreDir, "$G", "streams", name, "msgs", "*.blk"))
	if err != nil {
		return err
	}
	for _, path := range blocks {
		if info, err := os.Stat(path); err == nil && info.Size() > 0 {
			return fault("the stored stream "+name+" cannot be read", "the log above says why; restore a backup into a new --data-dir", "%s holds messages", path)
		}
	}
	return nil
}

// lastSeq is the sequence of the newest message that a stream has held.
func (q *Queue) lastSeq(ctx context.Context, stream string) (uint64, error) {
	info, err := q.info(ctx, stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", stream, err)
	}
	return info.State.LastSeq, nil
}
