package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"bridge/internal/ops"
)

func newHooks(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hooks",
		Short: "Keap's own hooks as configured: ls, sync",
		Long: "A source of kind keap takes Keap's REST hooks. Which events are wanted follows from the configuration: every keap.…\n" +
			"that a rule's on: or notify: names, patterns spelt out (keap.contact.add, keap.contact.*, keap.*).",
		Args: onlySubcommands,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newHooksCommand(g, http.MethodGet, &cobra.Command{
			Use:     "ls",
			Short:   "subscriptions at Keap beside what the configuration wants",
			Example: "  bridge hooks ls\n  bridge hooks ls --account default --json",
		}),
		newHooksCommand(g, http.MethodPost, &cobra.Command{
			Use:   "sync",
			Short: "subscribe what is missing, verify again what is inactive, delete what is not wanted",
			Long: "sync makes the subscriptions at Keap what the configuration wants. Keap calls the ingress back at once, so bridge\n" +
				"serve has to run and BRIDGE_PUBLIC_URL has to lead to it. Subscriptions with other addresses are left alone.",
			Example: "  bridge hooks sync --account default",
		}))
	return cmd
}

// hookRow is one subscription with its account.
type hookRow struct {
	Account string `json:"account"`
	ops.Hook
}

func newHooksCommand(g *globals, method string, cmd *cobra.Command) *cobra.Command {
	var account string
	cmd.Args = exactArgs(0, "no arguments but flags")
	cmd.Flags().StringVar(&account, "account", "", "only this account")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		accounts, err := keapSources(cmd, c, account)
		if err != nil {
			return err
		}
		var rows []hookRow
		for _, name := range accounts {
			var in any
			if method == http.MethodPost {
				in = map[string]any{}
			}
			var out struct {
				Hooks []ops.Hook `json:"hooks"`
			}
			if err := c.do(cmd.Context(), method, "/api/accounts/"+url.PathEscape(name)+"/hooks", nil, in, &out); err != nil {
				if len(rows) > 0 {
					err = errors.Join(g.writeHooks(cmd, rows), err)
				}
				return err
			}
			for _, h := range out.Hooks {
				rows = append(rows, hookRow{name, h})
			}
		}
		return g.writeHooks(cmd, rows)
	})
	return cmd
}

// keapSources are the accounts with a source of kind keap.
func keapSources(cmd *cobra.Command, c *client, account string) ([]string, error) {
	var out struct {
		Sources []ops.Source `json:"sources"`
	}
	if err := c.do(cmd.Context(), http.MethodGet, "/api/sources", nil, nil, &out); err != nil {
		return nil, err
	}
	var names []string
	known := account == ""
	for _, s := range out.Sources {
		known = known || s.Account == account
		if s.Kind == "keap" && (account == "" || s.Account == account) && !slices.Contains(names, s.Account) {
			names = append(names, s.Account)
		}
	}
	switch {
	case !known:
		return nil, unknownAccount(account)
	case len(names) == 0:
		return nil, usagef("sources: {keap: {kind: keap, path_secret: ${env:KEAP_HOOK_PATH}}}; see docs/senders/keap.md", "no source of kind keap is configured")
	}
	return names, nil
}

func (g *globals) writeHooks(cmd *cobra.Command, rows []hookRow) error {
	w := cmd.OutOrStdout()
	failed := 0
	t := table(w)
	if !g.json && len(rows) > 0 {
		fmt.Fprintln(t, "ACCOUNT\tSOURCE\tEVENT\tSTATUS\tKEY\tWHAT")
	}
	for _, r := range rows {
		if r.Error != "" {
			failed++
		}
		if g.json {
			if err := printLine(w, r); err != nil {
				return err
			}
			continue
		}
		what := r.Done
		switch {
		case r.Error != "":
			what = r.Error
		case what == "" && !r.Wanted:
			what = "not wanted any more"
		case what == "" && r.Status == "missing":
			what = "bridge hooks sync subscribes it"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Account, r.Source, r.Event, r.Status, dash(r.Key), dash(what))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(rows) == 0 && !g.json {
		fmt.Fprintln(w, "no rule and no notify: names an event of Keap (keap.contact.add, keap.*): nothing is subscribed")
	}
	if failed > 0 {
		return &toldError{fmt.Errorf("%d hooks could not be put right", failed)}
	}
	return nil
}
