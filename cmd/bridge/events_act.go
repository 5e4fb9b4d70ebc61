package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/ops"
)

// newEventsAct is replay and discard: by ids or by the filters of ls, with a preview.
func newEventsAct(g *globals, name, path, short string) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   name + " [ID…]",
		Short: short,
		Long:  name + " takes events by id, or chooses them with the filters of bridge events ls. --dry-run lists the exact Keap calls\nand their cost first.",
	}
	values := addFilter(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only list what would be called, and its cost")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, args []string) error {
		f, err := given(values, time.Now())
		if err != nil {
			return err
		}
		in := map[string]any{"dry_run": dry}
		if len(args) > 0 {
			in["ids"] = args
			for _, k := range []string{"account", "source"} {
				if f[k] != "" {
					in[k] = f[k]
				}
			}
		} else {
			if len(f) == 0 {
				return usagef("for example: bridge events "+name+" --state failed --dry-run", "bridge events %s needs ids or a filter", name)
			}
			in["filter"] = f
		}
		var job ops.Job
		if err := c.do(cmd.Context(), http.MethodPost, path, nil, in, &job); err != nil {
			return err
		}
		return g.follow(cmd, c, job)
	})
	return cmd
}

// follow waits for a job and prints what became of it.
func (g *globals) follow(cmd *cobra.Command, c *client, job ops.Job) error {
	look := time.NewTicker(500 * time.Millisecond)
	defer look.Stop()
	for !job.Done() {
		if !g.json && terminal(cmd.ErrOrStderr()) {
			fmt.Fprintf(cmd.ErrOrStderr(), "\r%d of %d events", job.Seen, job.Total)
		}
		select {
		case <-cmd.Context().Done():
			return cmd.Context().Err()
		case <-look.C:
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/jobs/"+url.PathEscape(job.ID), nil, nil, &job); err != nil {
			return err
		}
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), job)
	}
	if job.Error != "" {
		return fmt.Errorf("the job stopped: %s", job.Error)
	}
	writeJob(cmd.OutOrStdout(), &job)
	return nil
}

func writeJob(w io.Writer, j *ops.Job) {
	for _, s := range j.Samples {
		fmt.Fprintf(w, "%s  %s  %s\n", s.ID, s.Type, s.State)
		t := table(w)
		for _, c := range s.Calls {
			fmt.Fprintf(t, "  %s\t%s\t%s\n", c.Do, c.Operation, strings.Join(c.Subjects, ", "))
		}
		_ = t.Flush()
		for _, d := range s.Skipped {
			fmt.Fprintf(w, "  done already, skipped: %s\n", d)
		}
		if s.Error != "" {
			fmt.Fprintf(w, "  would fail again: %s\n", s.Error)
		}
	}
	verb := j.Kind
	if j.DryRun {
		verb = "would " + verb
	}
	fmt.Fprintf(w, "%s %s, %s at most for its steps, %s done already and skipped", verb, counted(j.Events, "event", "events"),
		counted(j.Calls, "Keap call", "Keap calls"), counted(j.Skipped, "step is", "steps are"))
	if j.Passed > 0 {
		fmt.Fprintf(w, ", %d left alone", j.Passed)
	}
	fmt.Fprintln(w)
	if j.Lookups > 0 {
		fmt.Fprintf(w, "and at most %s to look up, or make, tags, fields and products that the bridge does not know yet\n", counted(j.Lookups, "call", "calls"))
	}
	for _, f := range j.WouldFail {
		fmt.Fprintf(w, "%s would fail again: %s\n", counted(f.Events, "event", "events"), f.Why)
	}
	for _, op := range slices.Sorted(maps.Keys(j.ByCall)) {
		fmt.Fprintf(w, "  %-24s %d\n", op, j.ByCall[op])
	}
	if j.Finish != nil && j.Calls > 0 {
		fmt.Fprintf(w, "finished about %s\n", j.Finish.Local().Format("2006-01-02 15:04"))
	}
	if !j.DryRun {
		fmt.Fprintf(w, "job %s\n", j.ID)
	}
}
