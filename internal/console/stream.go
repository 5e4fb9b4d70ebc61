package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
)

const (
	// heartbeat keeps proxies from closing a quiet stream, and finds out that nobody listens any more.
	heartbeat = 15 * time.Second
	// writeWithin is how long a listener may take to read one message.
	writeWithin = 10 * time.Second
	// maxStreams bounds how many listen at once.
	maxStreams = 200
)

// apiStream sends events as they are accepted and change, as server-sent events named "event". The query filters them as
// it does lists.
func (c *Console) apiStream(w http.ResponseWriter, r *http.Request, who identity) error {
	if err := onlyFilters(r); err != nil {
		return err
	}
	f, err := filterOf(r)
	if err != nil {
		return err
	}
	if err := ops.CheckFilter(&f); err != nil {
		return err
	}
	return c.stream(w, r, func(send func(name string, v any) error, rows []events.Row) error {
		chosen, err := c.chosen(r.Context(), f, rows)
		if err != nil {
			return err
		}
		for i := range rows {
			if !rowMatches(&rows[i], &f) || chosen != nil && !chosen[rows[i].Key] {
				continue
			}
			if err := send("event", who.row(rows[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

// rowMatches compares what a row tells, as it was when it changed.
func rowMatches(r *events.Row, f *events.Filter) bool {
	return (f.Account == "" || f.Account == r.Account) && (f.Source == "" || f.Source == r.Source) && (f.Type == "" || f.Type == r.Type) &&
		(f.State == "" || f.State == r.State) && (f.Reason == "" || f.Reason == r.Reason) &&
		(f.Since.IsZero() || !r.Received.Before(f.Since)) && (f.Until.IsZero() || r.Received.Before(f.Until))
}

// chosen tells which rows the rest of a filter chooses, which the index knows; nil means all.
func (c *Console) chosen(ctx context.Context, f events.Filter, rows []events.Row) (map[string]bool, error) {
	f = events.Filter{Contact: f.Contact, Q: f.Q, Message: f.Message, Job: f.Job}
	if f == (events.Filter{}) {
		return nil, nil
	}
	keys := make([]string, len(rows))
	for i := range rows {
		keys[i] = rows[i].Key
	}
	return c.Desk.News.Chosen(ctx, f, keys)
}

// stream answers with server-sent events until the listener goes or the console closes. tell is called with what is new.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, tell func(send func(string, any) error, rows []events.Row) error) error {
	if !c.listen() {
		return &refusal{status: http.StatusServiceUnavailable, detail: "too many listen already", retryAfter: heartbeat}
	}
	defer c.streams.Done()
	defer c.listeners.Add(-1)
	news, stop := c.Desk.News.Watch()
	defer stop()

	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Now().Add(writeWithin))
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	write := func(text string) error {
		// A server without deadlines (a test's) is as good.
		_ = out.SetWriteDeadline(time.Now().Add(writeWithin))
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	send := func(name string, v any) error {
		body, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return write(fmt.Sprintf("event: %s\ndata: %s\n\n", name, body))
	}
	if err := write(": listening\n\n"); err != nil {
		return nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case rows := <-news:
			err = tell(send, rows)
		case <-beat.C:
			err = write(": still here\n\n")
		case <-r.Context().Done():
			return nil
		case <-c.ended:
			return nil
		}
		if err != nil {
			return nil // the listener has gone
		}
	}
}

// listen counts a listener in, unless there are too many or the console closes.
func (c *Console) listen() bool {
	c.closing.Lock()
	defer c.closing.Unlock()
	select {
	case <-c.ended:
		return false
	default:
	}
	if c.listeners.Add(1) > maxStreams {
		c.listeners.Add(-1)
		return false
	}
	c.streams.Add(1)
	return true
}
