package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// printed is standard output.
type printed struct{}

func (printed) Write(b []byte) (int, error) { return os.Stdout.Write(b) }

var payload = bytes.Repeat([]byte("x"), bodySize)

// alone publishes one message and waits for it to be on disk.
func (j *jet) alone(ctx context.Context) error {
	_, err := j.js.Publish(ctx, jetSubject, payload)
	return err
}

// committer publishes all that wait together as one atomic batch of JetStream (ADR-50 of the NATS project).
type committer struct {
	*jet
	waiting chan chan error
}

func (c *committer) publish(ctx context.Context) error {
	done := make(chan error, 1)
	c.waiting <- done
	return <-done
}

func (c *committer) run(ctx context.Context) {
	for {
		group := []chan error{<-c.waiting}
		for len(c.waiting) > 0 && len(group) < 1000 {
			group = append(group, <-c.waiting)
		}
		var err error
		if len(group) == 1 {
			err = c.alone(ctx)
		} else {
			err = c.together(ctx, len(group))
		}
		for _, done := range group {
			done <- err
		}
	}
}

func (c *committer) together(ctx context.Context, n int) error {
	id := nuid.Next()
	for i := 1; i <= n; i++ {
		m := &nats.Msg{Subject: jetSubject, Data: payload, Header: nats.Header{"Nats-Batch-Id": {id}, "Nats-Batch-Sequence": {strconv.Itoa(i)}}}
		if i < n {
			if err := c.nc.PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header.Set("Nats-Batch-Commit", "1")
		reply, err := c.nc.RequestMsgWithContext(ctx, m)
		if err != nil {
			return err
		}
		var ack struct {
			Count int             `json:"count"`
			Error json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(reply.Data, &ack); err != nil {
			return err
		}
		if ack.Count != n {
			return errors.New("the batch was not stored: " + string(ack.Error))
		}
	}
	return nil
}
