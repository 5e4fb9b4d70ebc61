//go:build unix

package torture

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stuck shows what is known of events that nothing happens to any more: their stories, and what NATS has handed out.
func (s *stage) stuck(t *testing.T) {
	rows := s.all(t)
	s.keep(t, rows)
	shown := 0
	for name, row := range rows {
		if row.State.Settled() || shown == 2*mostExplained {
			continue
		}
		shown++
		var story json.RawMessage
		err := s.get(t.Context(), 0, "/api/events/"+row.Key, &story)
		t.Logf("%s: %s %v", name, story, err)
	}
	nc, err := nats.Connect(s.url)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Error(err)
		return
	}
	for work := range js.ListStreams(t.Context()).Info() {
		if !strings.HasPrefix(work.Config.Name, "WORK") || work.State.Msgs == 0 {
			continue
		}
		t.Logf("%s: %+v", work.Config.Name, work.State)
		stream, err := js.Stream(t.Context(), work.Config.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		for c := range stream.ListConsumers(t.Context()).Info() {
			t.Logf("%s: delivered %+v, acknowledged %+v, outstanding %d, pending %d", c.Name, c.Delivered, c.AckFloor, c.NumAckPending, c.NumPending)
		}
	}
}
