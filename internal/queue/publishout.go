package queue

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// subjectOutside is where other systems listen: events.<account>.<type>.
const subjectOutside = "events."

// PublishOut tells other systems on NATS of something: on events.<account>.<name>, where name may have several
// tokens; what cannot stand in a subject becomes "_". Whoever listens gets it; a stream of theirs on events.> keeps it, and
// knows by id what comes twice. It returns when the server has it.
func (q *Queue) PublishOut(ctx context.Context, account, name, id string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	msg := &nats.Msg{Subject: subjectOutside + token(account) + "." + clean(name), Data: body, Header: nats.Header{
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

// clean makes tokens of a name from outside: letters, digits, "-" and "_", none empty, none too long.
func clean(name string) string {
	tokens := strings.Split(name, ".")
	for i, t := range tokens {
		t = strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
				return r
			}
			return '_'
		}, t)
		if t == "" {
			t = "_"
		}
		tokens[i] = t[:min(len(t), maxToken)]
	}
	return strings.Join(tokens[:min(len(tokens), mostTokens)], ".")
}

// mostTokens bounds a name from outside.
const mostTokens = 8
