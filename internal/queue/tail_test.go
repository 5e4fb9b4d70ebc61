package queue

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"bridge/internal/events"
)

// record is a message of a log at a position.
type record struct {
	jetstream.Msg
	seq  uint64
	body []byte
}

func (r record) Data() []byte         { return r.body }
func (r record) Headers() nats.Header { return nil }
func (r record) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: r.seq}}, nil
}

// TestOutcomesOutliveTheirEvent: outcomes whose event is erased just before it would have come are handed on, although
// nothing else happens.
func TestOutcomesOutliveTheirEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body, err := json.Marshal(events.Outcome{Kind: events.OutcomeState, Key: "k", Seq: 7, State: events.Done})
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan jetstream.Msg, 1)
		outcomes <- record{seq: 1, body: body}
		erased := time.Now().Add(10 * time.Second)
		var got []events.LogRecord
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		tl := tailer{
			ctx: ctx, log: slog.New(slog.DiscardHandler), entries: make(chan jetstream.Msg), outcomes: outcomes,
			gone:  func(uint64) bool { return !time.Now().Before(erased) },
			known: func(uint64) (entry, bool) { return entry{}, false },
			fn: func(list []events.LogRecord) error {
				got = append(got, list...)
				if late := time.Since(erased); late < 0 || late > 2*tailLook {
					t.Errorf("handed on %s after the event was erased", late)
				}
				return nil
			},
		}
		if err := tl.run(); !errors.Is(err, context.DeadlineExceeded) || len(got) != 1 || len(got[0].Outcomes) != 1 {
			t.Errorf("%v, handed on %v", err, got)
		}
	})
}

// TestTailOutlivesWhatItCannotRead: an entry or an outcome that cannot be read is passed over, and stops neither the index
// nor routing, which waits for the index.
func TestTailOutlivesWhatItCannotRead(t *testing.T) {
	b := started(t, testOptions(t), done)
	for _, subject := range []string{subjectEvents + "default.shop", subjectOut + "x"} {
		if _, err := b.put(t.Context(), &nats.Msg{Subject: subject, Data: []byte(`{"torn`)}); err != nil {
			t.Fatal(err)
		}
	}
	b = b.restart(t)
	e := event("1", "a@example.com")
	accept(t, b.Queue, e)
	eventually(t, "the event behind them is done", func() bool { return b.index.last(e.Key()) == "done" })
}
