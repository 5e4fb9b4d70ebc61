package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/events"
)

// shown is what show needs of GET /api/events/{id}.
type shown struct {
	events.Row
	Message *struct {
		Subject string `json:"subject"`
		Body    string `json:"body"`
	} `json:"message"`
	Steps []struct {
		N        int                  `json:"n"`
		ID       string               `json:"id"`
		Do       events.StepKind      `json:"do"`
		Target   string               `json:"target"`
		State    events.StepState     `json:"state"`
		Calls    int                  `json:"calls"`
		Attempts []events.StepAttempt `json:"attempts"`
	} `json:"steps"`
	Timeline []events.Change `json:"timeline"`
	Served   []struct {
		events.ServedCall
		Exchange *events.Exchange `json:"exchange"`
	} `json:"served"`
	Behind int    `json:"behind"`
	Ahead  int    `json:"ahead"`
	First  string `json:"first"`
}

func newEventsShow(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "one event: its steps, what Keap answered, its story",
		Args:  exactArgs(1, "one event id"),
	}
	account, source := refFlags(cmd)
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, args []string) error {
		path, q := eventPath(args[0], *account, *source)
		var raw json.RawMessage
		if err := c.do(cmd.Context(), http.MethodGet, path, q, nil, &raw); err != nil {
			return err
		}
		if g.json {
			return printJSON(cmd.OutOrStdout(), raw)
		}
		var s shown
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		writeShown(cmd.OutOrStdout(), &s)
		return nil
	})
	return cmd
}

func writeShown(w io.Writer, s *shown) {
	fmt.Fprintf(w, "%s  %s  %s/%s  %s\n", nameOf(&s.Row), s.Type, s.Account, s.Source, s.Priority)
	fmt.Fprintf(w, "state %s", s.State)
	if s.Reason != "" {
		fmt.Fprintf(w, " (%s)", s.Reason)
	}
	if s.Until != nil {
		fmt.Fprintf(w, " until %s", s.Until.Local().Format(time.DateTime))
	}
	fmt.Fprintf(w, ", received %s, %s", s.Received.Local().Format(time.DateTime), counted(s.Calls, "call", "calls"))
	if s.Attempts > 0 {
		fmt.Fprintf(w, ", %s", counted(s.Attempts, "attempt", "attempts"))
	}
	if s.Ahead > 0 {
		fmt.Fprintf(w, ", it waits for %s of this contact (the oldest: %s)", counted(s.Ahead, "earlier event", "earlier events"), s.First)
	}
	if s.Behind > 0 {
		fmt.Fprintf(w, ", %d later events of this contact wait behind it", s.Behind)
	}
	fmt.Fprintln(w)
	if s.Detail != "" {
		fmt.Fprintln(w, s.Detail)
	}
	if len(s.Steps) > 0 {
		fmt.Fprintln(w, "\nsteps")
		t := table(w)
		for _, st := range s.Steps {
			last := ""
			if n := len(st.Attempts); n > 0 {
				last = st.Attempts[n-1].Detail
			}
			fmt.Fprintf(t, "  %d\t%s\t%s\t%s\t%s\t%s\n", st.N, st.State, st.Do, dash(st.Target), counted(st.Calls, "call", "calls"), last)
		}
		_ = t.Flush()
	}
	writeCalls(w, s)
	if len(s.Timeline) > 0 {
		fmt.Fprintln(w, "\nstory")
		t := table(w)
		for _, ch := range s.Timeline {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", ch.At.Local().Format("2006-01-02 15:04:05.000"), ch.State, dash(string(ch.Reason)), ch.Detail)
		}
		_ = t.Flush()
	}
	if s.Message != nil {
		fmt.Fprintf(w, "\nno event came on %s, but\n%s\n", s.Message.Subject, s.Message.Body)
	}
}

// writeCalls prints the calls to Keap that served the event, and what was said in them.
func writeCalls(w io.Writer, s *shown) {
	if len(s.Served) > 0 {
		fmt.Fprintln(w, "\ncalls")
	}
	for _, c := range s.Served {
		status := strconv.Itoa(c.Status)
		if c.Status == 0 {
			status = "no answer"
		}
		fmt.Fprintf(w, "  %s  %s  %s in %s", c.At.Local().Format("2006-01-02 15:04:05.000"), c.Operation, status, c.Took.Round(time.Millisecond))
		if c.Waited >= time.Second {
			fmt.Fprintf(w, ", waited %s for its permit", c.Waited.Round(time.Second))
		}
		if c.Subjects > 1 {
			fmt.Fprintf(w, ", shared: %d subjects", c.Subjects)
		}
		fmt.Fprintln(w)
		if x := c.Exchange; x != nil {
			fmt.Fprintf(w, "    sent      %s %s %s\n    answered  %s\n", x.Method, x.Target, excerpted(x.Sent), excerpted(x.Answered))
		}
	}
}

// excerpted is a body on one line.
func excerpted(x events.Excerpt) string {
	text := strings.Join(strings.Fields(x.Text), " ")
	if more := x.Size - len(x.Text); more > 0 {
		text += fmt.Sprintf(" … %d bytes more", more)
	}
	return text
}

func newEventsTail(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "events as they come and change, until Ctrl-C",
		Long:  "tail prints events as they are accepted and change, chosen by the filters of bridge events ls.",
		Args:  exactArgs(0, "no arguments but flags"),
	}
	values := addFilter(cmd)
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		f, err := given(values, time.Now())
		if err != nil {
			return err
		}
		res, err := c.open(cmd.Context(), http.MethodGet, "/api/events/stream", query(f), nil)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			if err := g.writeNews(cmd.OutOrStdout(), []byte(data)); err != nil {
				return err
			}
		}
		if cmd.Context().Err() != nil {
			return nil
		}
		if err := lines.Err(); err != nil {
			return err
		}
		return errors.New("the bridge ended the stream: it stops or starts again")
	})
	return cmd
}

// writeNews prints the rows of one message of the stream: a row or a list of rows.
func (g *globals) writeNews(w io.Writer, data []byte) error {
	var rows []events.Row
	if err := json.Unmarshal(data, &rows); err != nil {
		var one events.Row
		if err := json.Unmarshal(data, &one); err != nil || one.Key == "" {
			return nil //nolint:nilerr // messages of other kinds are not for this command
		}
		rows = []events.Row{one}
	}
	on := inkFor(w)
	for i := range rows {
		r := &rows[i]
		if g.json {
			if err := printLine(w, r); err != nil {
				return err
			}
			continue
		}
		state := on.paint(stateColours[r.State], fmt.Sprintf("%-9s", r.State))
		if _, err := fmt.Fprintf(w, "%s  %s %-16s %-20s %s/%s  %s\n", r.Changed.Local().Format("15:04:05"), state, dash(string(r.Reason)), r.Type, r.Account, r.Source, r.ID); err != nil {
			return err
		}
	}
	return nil
}
