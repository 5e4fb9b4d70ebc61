package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// tombstoneFor is how long the id of an erased event is remembered, so that a late resend is not processed again.
const tombstoneFor = 400 * 24 * time.Hour

const subjectGone = subjectMemory + "gone."

// Erase removes the data of a person, given by e-mail address, and of the events in rows: from the log, the failed
// events, what was said to Keap, the memory and what stands in front of the router. It overwrites what it deletes, except in an encrypted store, where
// the bytes stay until the server compacts them; with an event goes the key of its journals. Tombstones
// remember the events' ids, never the person. It may be called again when it fails half-way.
func (q *Queue) Erase(ctx context.Context, contact string, rows []events.Row) (erased int, err error) {
	contact = events.NormalEmail(contact)
	if contact == "" {
		return 0, errors.New("an e-mail address is needed")
	}
	doomed := map[string]events.Row{}
	for _, r := range rows {
		doomed[r.Key] = r
	}
	if err := q.inFront(ctx, contact, doomed); err != nil {
		return 0, err
	}
	if err := q.bury(ctx, doomed); err != nil {
		return 0, err
	}
	for _, r := range doomed {
		if err := q.eraseEvent(ctx, r); err != nil {
			return erased, err
		}
		erased++
	}
	if err := q.eraseContact(ctx, q.ContactHash("e:"+contact)); err != nil {
		return erased, err
	}
	slots, err := q.eraseSlots(ctx, contact)
	if err != nil {
		return erased, err
	}
	if err := q.eraseDiscarded(ctx, contact); err != nil {
		return erased, err
	}
	if err := q.eraseExchanges(ctx, contact, doomed); err != nil {
		return erased, err
	}
	return erased + slots, q.sweepFront(ctx)
}

// inFront adds the person's events that are not routed yet.
func (q *Queue) inFront(ctx context.Context, contact string, doomed map[string]events.Row) error {
	return q.scan(ctx, streamIntake, func(msg *jetstream.RawStreamMsg) error {
		for line := range bytes.SplitSeq(bytes.TrimSpace(msg.Data), []byte("\n")) {
			var e events.Event
			if e.UnmarshalJSON(line) != nil || e.Data.Contact == nil || events.NormalEmail(e.Data.Contact.Email) != contact {
				continue
			}
			doomed[e.Key()] = events.Row{Key: e.Key(), Account: e.Account}
		}
		return nil
	})
}

// scan shows every message of a stream, for streams that hold few.
func (q *Queue) scan(ctx context.Context, stream string, see func(*jetstream.RawStreamMsg) error) error {
	for next := uint64(1); ; {
		msg, err := q.get(ctx, stream, next, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err == nil {
			err = see(msg)
		}
		if err != nil {
			return fmt.Errorf("look through %s: %w", stream, err)
		}
		next = msg.Sequence + 1
	}
}

// bury sets the tombstones, before anything is deleted: from here on the router drops these events.
func (q *Queue) bury(ctx context.Context, doomed map[string]events.Row) error {
	for key := range doomed {
		if _, err := q.memory.put(ctx, memoryMsg("gone."+key, nil, tombstoneFor)); err != nil {
			return fmt.Errorf("set a tombstone: %w", err)
		}
	}
	q.mu.Lock()
	w := q.work
	q.mu.Unlock()
	if w != nil {
		if err := w.router.loadTombstones(ctx); err != nil {
			return err
		}
	}
	if q.server == nil {
		q.tell(wakeGone)
	}
	return nil
}

// eraseEvent deletes one event everywhere, and takes it from whoever works on it.
func (q *Queue) eraseEvent(ctx context.Context, r events.Row) error {
	if r.Seq > 0 {
		if err := q.secureDelete(ctx, streamEvents, r.Seq); err != nil {
			return err
		}
		q.routed.drop(r.Seq)
	}
	if err := q.secureDeleteLast(ctx, streamFailed, failedSubject(r.Account, r.Key)); err != nil {
		return err
	}
	for _, key := range []string{journalKey(r.Key), undoKey(r.Key)} {
		if err := q.secureDeleteLast(ctx, streamMemory, subjectMemory+key); err != nil {
			return err
		}
	}
	// Whoever has it in hand finds this at its next write, and stops.
	if err := q.changeMarks(ctx, r.Key, seal{}, func(m *events.Marks, _ chapter) error {
		*m = events.Marks{Discarded: true}
		return nil
	}); err != nil {
		return err
	}
	if err := q.Record(ctx, events.Outcome{
		Kind: events.OutcomeState, Account: r.Account, Key: r.Key, Seq: r.Seq, State: events.Done, Reason: events.Erased,
	}); err != nil {
		return err
	}
	return q.withdraw(ctx, r.Key)
}

// eraseContact deletes what is remembered of the person in every quota group.
func (q *Queue) eraseContact(ctx context.Context, hash string) error {
	info, err := q.info(ctx, streamMemory, jetstream.WithSubjectFilter(subjectMemory+"contact.*."+hash))
	if err != nil {
		return fmt.Errorf("look for a contact: %w", err)
	}
	for subject := range info.State.Subjects {
		if err := q.secureDeleteLast(ctx, streamMemory, subject); err != nil {
			return err
		}
	}
	return nil
}

// eraseSlots deletes failed messages that were never read as events and name the address anywhere, and failed
// events of the person that the index does not know by their contact.
func (q *Queue) eraseSlots(ctx context.Context, contact string) (erased int, err error) {
	err = q.scan(ctx, streamFailed, func(msg *jetstream.RawStreamMsg) error {
		var s Slot
		if err := json.Unmarshal(msg.Data, &s); err != nil {
			return err
		}
		if !s.names(contact) {
			return nil
		}
		erased++
		return q.eraseEvent(ctx, events.Row{Key: s.Key, Account: s.Account})
	})
	return erased, err
}

// names tells whether the slot holds data of the person.
func (s *Slot) names(contact string) bool {
	raw := s.Raw != nil && strings.Contains(strings.ToLower(string(s.Raw.Body)+fmt.Sprint(s.Raw.Header)), contact)
	return raw || s.Event != nil && s.Event.Data.Contact != nil && events.NormalEmail(s.Event.Data.Contact.Email) == contact
}

// eraseDiscarded deletes what is kept of discarded slots, so that they could be put back.
func (q *Queue) eraseDiscarded(ctx context.Context, contact string) error {
	info, err := q.info(ctx, streamMemory, jetstream.WithSubjectFilter(subjectMemory+undoKey("*")))
	if err != nil {
		return fmt.Errorf("look for what was discarded: %w", err)
	}
	for subject := range info.State.Subjects {
		body, _, err := q.memory.load(ctx, strings.TrimPrefix(subject, subjectMemory))
		if err != nil {
			return err
		}
		var s Slot
		if body == nil || json.Unmarshal(body, &s) != nil || !s.names(contact) {
			continue
		}
		if err := q.eraseEvent(ctx, events.Row{Key: s.Key, Account: s.Account}); err != nil {
			return err
		}
	}
	return nil
}

// secureDelete overwrites a message and deletes it; nothing happens when it is gone already.
func (q *Queue) secureDelete(ctx context.Context, stream string, seq uint64) error {
	err := q.streams[stream].SecureDeleteMsg(ctx, seq)
	if _, gone := q.get(ctx, stream, seq); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("erase in %s: %w", stream, err)
	}
	return nil
}

func (q *Queue) secureDeleteLast(ctx context.Context, stream, subject string) error {
	msg, err := q.newest(ctx, stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("erase in %s: %w", stream, err)
	}
	return q.secureDelete(ctx, stream, msg.Sequence)
}

// sweepTries is how often sweepFront looks for a moment in which everything is routed: they are frequent even under load.
const sweepTries = 100

// sweepFront drops the files of INTAKE and INGEST as far as everything in them is routed: an acknowledged message is
// gone, but its bytes stay until its file goes. What comes in meanwhile has a higher sequence and stays; while something
// does, the newest file stays too, until it is full.
func (q *Queue) sweepFront(ctx context.Context) error {
	for _, name := range []string{streamIntake, streamIngest} {
		info, err := q.info(ctx, name)
		for n := 0; err == nil && info.State.Msgs > 0 && n < sweepTries && q.routes() && sleep(ctx, retryRound/sweepTries); n++ {
			info, err = q.info(ctx, name)
		}
		if err != nil {
			return err
		}
		upTo := info.State.LastSeq + 1
		if info.State.Msgs > 0 {
			upTo = info.State.FirstSeq
		}
		if err := q.streams[name].Purge(ctx, jetstream.WithPurgeSequence(upTo)); err != nil {
			return fmt.Errorf("sweep %s: %w", name, err)
		}
	}
	return nil
}

// withdraw settles an event that is in hand or lined up here, whatever whoever works on it says later.
func (q *Queue) withdraw(ctx context.Context, key string) error {
	for _, g := range q.openGroups() {
		if err := g.withdraw(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) withdraw(ctx context.Context, key string) error {
	g.mu.Lock()
	var found *taken
	for _, t := range g.inHand {
		if t.pointer.Key == key {
			found = t
		}
	}
	if found == nil {
		g.mu.Unlock()
		return nil
	}
	found.withdrawn = true
	g.letGo(found)
	g.mu.Unlock()
	g.hurry(found.pointer.Seq)
	return acknowledge(ctx, found.msg)
}

// loadTombstones reads which events were erased.
func (r *router) loadTombstones(ctx context.Context) error {
	info, err := r.q.info(ctx, streamMemory, jetstream.WithSubjectFilter(subjectGone+"*"))
	if err != nil {
		return fmt.Errorf("read the tombstones: %w", err)
	}
	gone := make(map[string]bool, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		gone[strings.TrimPrefix(subject, subjectGone)] = true
	}
	r.mu.Lock()
	r.gone = gone
	r.mu.Unlock()
	return nil
}
