package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// subjectOutside is where other systems listen: events.<account>.<type>.
const subjectOutside = "events."

// PublishOut tells other systems on NATS of something: on events.<account>.<name>, where name may have several
// tokens. Whoever listens gets it; a stream of theirs on events.> keeps it, and knows by id what comes twice. It
// returns when the server has it.
func (q *Queue) PublishOut(ctx context.Context, account, name, id string, body []byte) error {
	subject := subjectOutside + token(account) + "." + name
	for i := 0; part(name, i) != ""; i++ {
		if !validName(part(name, i)) {
			return fmt.Errorf("%q cannot stand in a subject", name)
		}
	}
	msg := &nats.Msg{Subject: subject, Data: body, Header: nats.Header{
		"Content-Type": {"application/cloudevents+json"}, jetstream.MsgIDHeader: {id},
	}}
	if err := q.nc.PublishMsg(msg); err != nil {
		return fmt.Errorf("publish for others: %w", err)
	}
	if err := q.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("publish for others: %w", err)
	}
	return nil
}

// validName is validToken with the capitals and underscores that types of other systems have.
func validName(s string) bool {
	if s == "" || len(s) > maxToken {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
