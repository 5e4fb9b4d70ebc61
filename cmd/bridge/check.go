package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/config"
)

func newCheck(g *globals) *cobra.Command {
	var schema, online bool
	var accounts []string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "configuration, rules and their tests, every mistake at once",
		Long: "check reads the configuration, lists every mistake with its place, and runs the tests that stand in the rules.\n" +
			"--online also shows the keys to Keap and looks for every tag, custom field, sequence, template, user and action set\n" +
			"that the configuration names. It changes nothing; each request counts in the account's quota.",
		Example: "  bridge check\n  bridge check --online --account default\n  bridge check --schema > bridge.schema.json",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if schema {
				_, err := cmd.OutOrStdout().Write(config.Schema())
				return err
			}
			if len(accounts) > 0 && !online {
				return usagef("bridge check --online --account "+accounts[0], "--account needs --online")
			}
			e, err := g.env()
			if err != nil {
				return err
			}
			cfg, err := config.Load(e.Config)
			if err = allMistakes(e.Check(), err); err != nil {
				return g.reportMistakes(cmd.OutOrStdout(), err)
			}
			report := checkReport{cfg: cfg, tests: config.RunTests(cfg, time.Now())}
			if online {
				if report.online, err = g.online(cmd, cfg, accounts); err != nil {
					return err
				}
			}
			return g.reportCheck(cmd.OutOrStdout(), &report)
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the configuration, for editors")
	cmd.Flags().BoolVar(&online, "online", false, "also prove keys and names at Keap")
	cmd.Flags().StringSliceVar(&accounts, "account", nil, "with --online: only these accounts")
	return cmd
}

// checkReport is what a check found in a configuration that can be read.
type checkReport struct {
	cfg    *config.Config
	tests  []config.TestResult
	online map[string]proof // by account; nil: not asked
}

func (r *checkReport) failed() int {
	n := 0
	for _, t := range r.tests {
		if len(t.Failures) > 0 {
			n++
		}
	}
	return n
}

// allMistakes joins those of the environment and of the configuration.
func allMistakes(errs ...error) error {
	var all config.Mistakes
	for _, err := range errs {
		var some config.Mistakes
		if err != nil && !errors.As(err, &some) {
			return err
		}
		all = append(all, some...)
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// reportMistakes prints every mistake with its place; for people on stderr through the error.
func (g *globals) reportMistakes(w io.Writer, err error) error {
	var mistakes config.Mistakes
	if !errors.As(err, &mistakes) {
		return err
	}
	if !g.json {
		what := "it"
		if len(mistakes) > 1 {
			what = fmt.Sprintf("the %d mistakes", len(mistakes))
		}
		return &usageError{mistakes, "correct " + what + " and run bridge check again"}
	}
	if err := printJSON(w, map[string]any{"mistakes": mistakes}); err != nil {
		return err
	}
	return &usageError{&toldError{mistakes}, ""}
}

// reportCheck prints warnings, quota groups, the tests of the rules and what Keap says.
func (g *globals) reportCheck(w io.Writer, r *checkReport) error {
	failed := r.failed()
	if g.json {
		out := map[string]any{"warnings": append(config.Mistakes{}, r.cfg.Warnings...), "groups": r.cfg.Groups(), "tests": append([]config.TestResult{}, r.tests...), "failed": failed}
		if r.online != nil {
			out["online"] = r.online
		}
		if err := printJSON(w, out); err != nil {
			return err
		}
	} else {
		writeCheck(w, r.cfg, r.tests)
		writeOnline(w, r.cfg, r.online)
	}
	if failed > 0 {
		return &usageError{fmt.Errorf("%d of %d tests of the rules failed", failed, len(r.tests)), "correct the rule or the test, and run bridge check again"}
	}
	return verdictOnline(r.cfg, r.online)
}

func writeCheck(w io.Writer, cfg *config.Config, tests []config.TestResult) {
	for _, m := range cfg.Warnings {
		fmt.Fprintln(w, "warning:", m)
	}
	t := table(w)
	for _, grp := range cfg.Groups() {
		fmt.Fprintf(t, "quota group %s\t%s\t%d calls a day\t%d an account\n", grp.Name, counted(len(grp.Accounts), "account", "accounts"), grp.Limits.Day, grp.Share())
	}
	_ = t.Flush()
	for _, r := range tests {
		verdict := "ok"
		if len(r.Failures) > 0 {
			verdict = "FAILED"
		}
		fmt.Fprintf(w, "test %-6s %s: %s (%s:%d)\n", verdict, r.Rule, filepath.Base(r.Payload), r.File, r.Line)
		for _, f := range r.Failures {
			fmt.Fprintln(w, "  -", f)
		}
	}
	fmt.Fprintf(w, "%s, %s of rules\n", counted(len(cfg.Accounts), "account", "accounts"), counted(len(tests), "test", "tests"))
}
