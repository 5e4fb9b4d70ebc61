package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/config"
)

func newCheck(g *globals) *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "configuration, rules and their tests, every mistake at once",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if schema {
				_, err := cmd.OutOrStdout().Write(append(config.Schema(), '\n'))
				return err
			}
			e, err := g.env()
			if err != nil {
				return err
			}
			cfg, err := config.Load(e.Config)
			if err != nil {
				return g.reportMistakes(cmd.OutOrStdout(), err)
			}
			tests := config.RunTests(cfg, time.Now())
			return g.reportCheck(cmd.OutOrStdout(), cfg, tests)
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the configuration, for editors")
	return cmd
}

// reportMistakes prints every mistake with its place; for people on stderr through the error.
func (g *globals) reportMistakes(w io.Writer, err error) error {
	mistakes, ok := err.(config.Mistakes) //nolint:errorlint // Load documents this type, unwrapped
	if !ok || !g.json {
		return configError(err)
	}
	if err := printJSON(w, map[string]any{"mistakes": mistakes}); err != nil {
		return err
	}
	return &usageError{&toldError{mistakes}, ""}
}

// reportCheck prints warnings, quota groups and the tests of the rules.
func (g *globals) reportCheck(w io.Writer, cfg *config.Config, tests []config.TestResult) error {
	failed := 0
	for _, t := range tests {
		if len(t.Failures) > 0 {
			failed++
		}
	}
	if g.json {
		if err := printJSON(w, map[string]any{"warnings": cfg.Warnings, "groups": cfg.Groups(), "tests": tests, "failed": failed}); err != nil {
			return err
		}
	} else {
		writeCheck(w, cfg, tests)
	}
	if failed > 0 {
		return &usageError{fmt.Errorf("%d of %d tests of the rules failed", failed, len(tests)), "correct the rule or the test, and run bridge check again"}
	}
	return nil
}

func writeCheck(w io.Writer, cfg *config.Config, tests []config.TestResult) {
	for _, m := range cfg.Warnings {
		fmt.Fprintln(w, "warning:", m)
	}
	t := table(w)
	for _, grp := range cfg.Groups() {
		fmt.Fprintf(t, "quota group %s\t%d accounts\t%d calls a day\t%d an account\n", grp.Name, len(grp.Accounts), grp.Limits.Day, grp.Share())
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
	fmt.Fprintf(w, "%d accounts, %d tests of rules: done\n", len(cfg.Accounts), len(tests))
}
