package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/events"
	"bridge/internal/ops"
)

func newStatus(g *globals) *cobra.Command {
	var watch, costs, check bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "per account: quota windows, backlog, ETA, what failed and why",
		Args:  exactArgs(0, "no arguments"),
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "again every two seconds, until Ctrl-C")
	cmd.Flags().BoolVar(&costs, "costs", false, "what each rule costs a day")
	cmd.Flags().BoolVar(&check, "check", false, "exit 1 when something needs a person")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		switch {
		case costs:
			return g.showCosts(cmd, c)
		case check:
			return g.showNeeds(cmd, c)
		}
		for {
			if err := g.showStatus(cmd, c, watch); err != nil || !watch {
				return err
			}
			select {
			case <-cmd.Context().Done():
				return nil
			case <-time.After(2 * time.Second):
			}
		}
	})
	return cmd
}

func (g *globals) showStatus(cmd *cobra.Command, c *client, again bool) error {
	var s ops.Status
	if err := c.do(cmd.Context(), http.MethodGet, "/api/status", nil, nil, &s); err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if g.json {
		return printJSON(w, s)
	}
	if again && terminal(w) {
		fmt.Fprint(w, "\x1b[H\x1b[2J")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Accounts)) {
		a := s.Accounts[name]
		writeAccount(w, name, &a)
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "configuration: %s %s\n", p.Where, p.Message)
	}
	return nil
}

func writeAccount(w io.Writer, name string, a *ops.AccountStatus) {
	on := inkFor(w)
	fmt.Fprintf(w, "%s: %s\n", on.paint(bold, name), on.paint(level(a), words(a)))
	t := table(w)
	fmt.Fprintf(t, "  quota\tsecond %d/%d\tminute %d/%d\tday %d/%d", a.Quota.Second.Used, a.Quota.Second.Limit, a.Quota.Minute.Used, a.Quota.Minute.Limit, a.Quota.Day.Used, a.Quota.Day.Limit)
	if a.Quota.Day.Elsewhere > 0 {
		fmt.Fprintf(t, "\t%d of them elsewhere", a.Quota.Day.Elsewhere)
	}
	fmt.Fprintf(t, "\n  backlog\turgent %d\tnormal %d\tbulk %d\tparked %d\n", a.Backlog.Urgent, a.Backlog.Normal, a.Backlog.Bulk, a.Parked)
	fmt.Fprintf(t, "  events\tdone %d\tfailed %d\tin doubt %d\n", a.Done, a.Failed, a.InDoubt)
	fmt.Fprintf(t, "  calls\t%.1f a second\tworked by %s\n", a.Rate, dash(a.Owner))
	_ = t.Flush()
	writePlan(w, a.Plan)
	for _, r := range slices.Sorted(maps.Keys(a.ByReason)) {
		fmt.Fprintf(w, "    %s: %s\n", r, on.paint(red, fmt.Sprint(a.ByReason[r])))
	}
}

// writePlan says what the calls that the day has left are meant for, and what of each priority moves to tomorrow.
func writePlan(w io.Writer, p *ops.Plan) {
	if p == nil || p.Urgent.Waiting+p.Normal.Waiting+p.Bulk.Waiting == 0 {
		return
	}
	basis := "as reserve: says"
	if p.Forecast {
		basis = "as in the last days"
	}
	fmt.Fprintf(w, "  plan: %d calls left today, more expected: urgent %d, normal %d (%s)\n", p.Left, p.Urgent.Expected, p.Normal.Expected, basis)
	for _, s := range []struct {
		name string
		ops.Share
	}{{"urgent", p.Urgent}, {"normal", p.Normal}, {"bulk", p.Bulk}} {
		if s.Waiting == 0 {
			continue
		}
		line := fmt.Sprintf("    %s: %d calls wait", s.name, s.Waiting)
		if s.ETA != nil {
			line += ", made by about " + s.ETA.Local().Format("2006-01-02 15:04")
		}
		if s.Tomorrow > 0 {
			line += fmt.Sprintf("; %d of them tomorrow or later: %s", s.Tomorrow, s.Why)
		}
		fmt.Fprintln(w, line)
	}
	if p.Linger > 0 {
		fmt.Fprintf(w, "    tags of normal work wait up to %s for company, to save calls\n", time.Duration(p.Linger)*time.Second)
	}
}

// level is the colour of an account's state: red needs a person, yellow passes by itself.
func level(a *ops.AccountStatus) string {
	switch {
	case a.Removed || a.Paused != nil && (a.Paused.Reason == events.Unauthorized || a.Paused.Reason == events.RefreshLost):
		return red
	case a.Paused != nil:
		return yellow
	case !a.Ready:
		return red
	}
	return green
}

// words is the state of an account for somebody who has just been woken up.
func words(a *ops.AccountStatus) string {
	if a.Removed {
		return "not in the configuration: its events wait"
	}
	if a.Paused != nil {
		text := pauseWords[a.Paused.Reason]
		if text == "" {
			text = string(a.Paused.Reason)
		}
		if a.Paused.Until != nil {
			text += ", resumes " + a.Paused.Until.UTC().Format("15:04 UTC")
		}
		return text
	}
	if a.Backlog.Total() == 0 {
		return "nothing waits"
	}
	if a.ETA != nil {
		return fmt.Sprintf("%d events wait, finished about %s", a.Backlog.Total(), a.ETA.Local().Format("2006-01-02 15:04"))
	}
	return fmt.Sprintf("%d events wait", a.Backlog.Total())
}

var pauseWords = map[events.Reason]string{
	events.QuotaMinute: "waiting for the minute's quota", events.QuotaDay: "waiting for the day's quota",
	events.QuotaTenant: "waiting: a limit over all integrations of the Keap account", events.Throttled: "waiting: Keap refuses calls",
	events.Unauthorized: "Keap refuses the credential: it needs a new key", events.RefreshLost: "the OAuth2 login is lost: run bridge keys login",
	events.Paused: "paused by an operator",
}

// needLine is a need on one line; a mistake in the configuration may belong to no account.
func needLine(n *ops.Need) string {
	line := fmt.Sprintf("%s (%s)", n.What, n.Hint)
	if n.Account != "" {
		line = n.Account + ": " + line
	}
	return line
}

func (g *globals) showNeeds(cmd *cobra.Command, c *client) error {
	var out struct {
		Needs []ops.Need `json:"needs"`
	}
	if err := c.do(cmd.Context(), http.MethodGet, "/api/check", nil, nil, &out); err != nil {
		return err
	}
	if g.json {
		if err := printJSON(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	} else {
		for _, n := range out.Needs {
			fmt.Fprintln(cmd.OutOrStdout(), needLine(&n))
		}
	}
	if len(out.Needs) > 0 {
		return &toldError{fmt.Errorf("%d things need a person", len(out.Needs))}
	}
	return nil
}
