package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/events"
	"bridge/internal/ops"
)

func newEvents(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "operators' work: list, show, tail, replay, discard, resolve, erase",
		Args:  onlySubcommands,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newEventsLs(g), newEventsShow(g), newEventsTail(g), newEventsResolve(g), newEventsErase(g),
		newEventsAct(g, "replay", "/api/replays", "work events once more; steps that are done do not run again"),
		newEventsAct(g, "discard", "/api/discards", "drop events that need not run; can be undone for 30 days"), newEventsUndo(g))
	return cmd
}

// filterFlags are the filters of ls, replay and discard, by their names in the API.
var filterFlags = []struct{ name, usage string }{
	{"account", "only events of this account"}, {"source", "only those of this source"}, {"type", "event type, as in order.paid"},
	{"state", "waiting, working, parked, failed, in_doubt, done, discarded"}, {"reason", "reason, as in docs/reasons.md"},
	{"contact", "e-mail address of the contact"}, {"since", "received since: 2h, 7d, 2026-11-23 or 2026-11-23T10:00:00Z"},
	{"until", "received before, as --since"}, {"q", "id, order number or e-mail address, exactly"},
}

func addFilter(cmd *cobra.Command) map[string]*string {
	values := map[string]*string{}
	for _, f := range filterFlags {
		values[f.name] = cmd.Flags().String(f.name, "", f.usage)
	}
	return values
}

// given is what of the filter was given, times in RFC 3339.
func given(values map[string]*string, now time.Time) (map[string]string, error) {
	out := map[string]string{}
	for name, v := range values {
		if *v == "" {
			continue
		}
		out[name] = *v
		if name == "since" || name == "until" {
			at, err := parseTime(*v, now)
			if err != nil {
				return nil, usagef("2h, 7d, 2026-11-23 or 2026-11-23T10:00:00Z", "--%s: %q is no time", name, *v)
			}
			out[name] = at.UTC().Format(time.RFC3339)
		}
	}
	return out, nil
}

// parseTime reads a time, or a duration back from now.
func parseTime(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339, time.DateOnly, "2006-01-02T15:04"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return now.AddDate(0, 0, -n), err
	}
	d, err := time.ParseDuration(text)
	return now.Add(-d), err
}

func query(values map[string]string) url.Values {
	q := url.Values{}
	for k, v := range values {
		q.Set(k, v)
	}
	return q
}

func newEventsLs(g *globals) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "list events, newest first",
		Args:  exactArgs(0, "no arguments but flags"),
	}
	values := addFilter(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most")
	list := g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		f, err := given(values, time.Now())
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		t := table(out)
		if !g.json {
			fmt.Fprintln(t, "RECEIVED\tSTATE\tREASON\tTYPE\tACCOUNT\tSOURCE\tCALLS\tID")
		}
		q := query(f)
		for left := limit; left > 0; {
			q.Set("limit", strconv.Itoa(min(left, 500)))
			var page struct {
				Events []events.Row `json:"events"`
				Next   *string      `json:"next"`
			}
			if err := c.do(cmd.Context(), http.MethodGet, "/api/events", q, nil, &page); err != nil {
				return err
			}
			for i := range page.Events {
				if err := g.writeRow(out, t, &page.Events[i]); err != nil {
					return err
				}
			}
			left -= len(page.Events)
			if page.Next == nil || len(page.Events) == 0 {
				break
			}
			q.Set("cursor", *page.Next)
		}
		return t.Flush()
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if limit < 1 {
			return usagef("for example --limit 50", "--limit is at least 1, not %d", limit)
		}
		return list(cmd, args)
	}
	return cmd
}

func (g *globals) writeRow(out, t io.Writer, r *events.Row) error {
	if g.json {
		return printLine(out, r)
	}
	_, err := fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.Received.Local().Format("2006-01-02 15:04:05"), r.State, dash(string(r.Reason)), r.Type, r.Account, r.Source, r.Calls, nameOf(r))
	return err
}

// nameOf is what other commands find an event by: its id, or its key where that is gone.
func nameOf(r *events.Row) string {
	if r.ID == "" {
		return r.Key
	}
	return r.ID
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// refFlags narrow an id that two accounts or sources use.
func refFlags(cmd *cobra.Command) (account, source *string) {
	return cmd.Flags().String("account", "", "account, where the id alone is not clear"), cmd.Flags().String("source", "", "source, where the id alone is not clear")
}

// eventPath is the address of one event.
func eventPath(id, account, source string) (string, url.Values) {
	q := url.Values{}
	if account != "" {
		q.Set("account", account)
	}
	if source != "" {
		q.Set("source", source)
	}
	return "/api/events/" + url.PathEscape(id), q
}

func newEventsResolve(g *globals) *cobra.Command {
	var step string
	var happened, not bool
	cmd := &cobra.Command{
		Use:   "resolve ID --step N --happened|--not-happened",
		Short: "answer a doubt: the step happened, or it did not",
		Args:  exactArgs(1, "one event id"),
	}
	account, source := refFlags(cmd)
	cmd.Flags().StringVar(&step, "step", "", "the step in doubt, by number or id (bridge events show)")
	cmd.Flags().BoolVar(&happened, "happened", false, "it happened: do not do it again")
	cmd.Flags().BoolVar(&not, "not-happened", false, "it did not: do it")
	must(cmd, "step")
	cmd.MarkFlagsMutuallyExclusive("happened", "not-happened")
	cmd.MarkFlagsOneRequired("happened", "not-happened")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, args []string) error {
		in := map[string]any{"id": args[0], "step": step, "happened": happened, "account": *account, "source": *source}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/doubts", nil, in, nil); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s goes on\n", args[0])
		return err
	})
	return cmd
}

func newEventsErase(g *globals) *cobra.Command {
	var contact string
	cmd := &cobra.Command{
		Use:   "erase --contact EMAIL",
		Short: "remove a person's data everywhere",
		Args:  exactArgs(0, "no arguments but --contact"),
	}
	cmd.Flags().StringVar(&contact, "contact", "", "e-mail address")
	must(cmd, "contact")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		var out struct {
			Erased  int      `json:"erased"`
			Remains []string `json:"remains"`
		}
		if err := c.do(cmd.Context(), http.MethodPost, "/api/erasures", nil, map[string]string{"contact": contact}, &out); err != nil {
			return err
		}
		if g.json {
			return printJSON(cmd.OutOrStdout(), out)
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "erased %s\n", counted(out.Erased, "event", "events"))
		for _, left := range out.Remains {
			_, more := fmt.Fprintf(cmd.OutOrStdout(), "not reached: %s\n", left)
			err = errors.Join(err, more)
		}
		return err
	})
	return cmd
}

func newEventsUndo(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "undo JOB",
		Short: "take a discard back",
		Args:  exactArgs(1, "the job of the discard"),
		RunE: g.withClient(func(cmd *cobra.Command, c *client, args []string) error {
			var job ops.Job
			if err := c.do(cmd.Context(), http.MethodPost, "/api/discards/"+url.PathEscape(args[0])+"/undo", nil, map[string]any{}, &job); err != nil {
				return err
			}
			return g.follow(cmd, c, job)
		}),
	}
}
