package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/app"
)

func newTry(g *globals) *cobra.Command {
	var req app.Trial
	var headers []string
	var headerFile string
	cmd := &cobra.Command{
		Use:   "try FILE",
		Short: "what a sample payload would become: events, rules, Keap calls, cost",
		Long:  "try parses a payload (its signature is not checked), matches the rules and lists the Keap calls that they come to.\nIt calls nothing. FILE may be - for standard input.",
		Args:  exactArgs(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := g.env()
			if err != nil {
				return err
			}
			cfg, err := configured(e.Config, req.Account, req.Source)
			if err != nil {
				return err
			}
			if req.Body, err = readInput(cmd.InOrStdin(), args[0]); err != nil {
				return err
			}
			if req.Header, err = readHeaders(headers, headerFile); err != nil {
				return err
			}
			out, err := app.Try(cfg, req, time.Now())
			if err != nil {
				return hintf("bridge check proves the configuration; the sample's headers can be given with --header or --headers", "%w", err)
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			return writeTrial(cmd.OutOrStdout(), out)
		},
	}
	f := cmd.Flags()
	f.StringVar(&req.Account, "account", "", "account, by its name in the configuration")
	f.StringVar(&req.Source, "source", "", "source of the account, by its name in the configuration")
	f.StringArrayVar(&headers, "header", nil, "header of the request, 'Name: value'; may be repeated")
	f.StringVar(&headerFile, "headers", "", "JSON file of headers")
	must(cmd, "account", "source")
	return cmd
}

// must marks flags as needed.
func must(cmd *cobra.Command, names ...string) {
	for _, n := range names {
		if err := cmd.MarkFlagRequired(n); err != nil {
			panic(err) // a flag that does not exist: a mistake in this program
		}
	}
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmd.ValidateRequiredFlags(); err != nil {
			return &usageError{err, "run " + cmd.CommandPath() + " --help for its flags"}
		}
		return nil
	}
}

func readInput(in io.Reader, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(in)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{err, "name a file with the payload, or - for standard input"}
	}
	return b, nil
}

// readHeaders puts 'Name: value' texts over the headers of a JSON file, whose values are texts or lists of texts.
func readHeaders(texts []string, file string) (http.Header, error) {
	h := http.Header{}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, &usageError{err, "--headers names a JSON file"}
		}
		var values map[string]any
		if err := json.Unmarshal(b, &values); err != nil {
			return nil, &usageError{fmt.Errorf("%s: %w", file, err), `an object such as {"X-WC-Webhook-Topic": "order.updated"}`}
		}
		for name, v := range values {
			if list, ok := v.([]any); ok {
				for _, one := range list {
					h.Add(name, fmt.Sprint(one))
				}
				continue
			}
			h.Set(name, fmt.Sprint(v))
		}
	}
	for _, t := range texts {
		name, value, ok := strings.Cut(t, ":")
		if !ok {
			return nil, usagef("--header 'Name: value'", "%q is no header", t)
		}
		h.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

func writeTrial(w io.Writer, o *app.TrialResult) error {
	if len(o.Events) == 0 {
		fmt.Fprintf(w, "no event: %s (%s)\n", o.Reason, o.Detail)
		return nil
	}
	for _, e := range o.Events {
		fmt.Fprintf(w, "event %s  %s\n", e.Type, e.ID)
	}
	if len(o.Rules) == 0 {
		fmt.Fprintln(w, "no rule matches: nothing is called")
		return nil
	}
	fmt.Fprintf(w, "rules %s\n", strings.Join(o.Rules, ", "))
	t := table(w)
	for _, c := range o.Calls {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", c.Do, c.Operation, strings.Join(c.Subjects, ", "))
	}
	_ = t.Flush()
	fmt.Fprintf(w, "cost %s", counted(o.Cost, "call", "calls"))
	if n := len(o.Lookups); n > 0 {
		fmt.Fprintf(w, ", and %d at most to look up, or make, what the bridge does not know yet", n)
	}
	fmt.Fprintln(w)
	return nil
}
