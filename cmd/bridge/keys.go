package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/ops"
)

func newKeys(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "credentials of the accounts: ls, login, rotate",
		Args:  onlySubcommands,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysLs(g), newKeysLogin(g), newKeysRotate(g))
	return cmd
}

// keyRow is one key as keys ls shows it. It holds no secret.
type keyRow struct {
	Account string `json:"account"`
	App     string `json:"app,omitempty"`
	ops.Credential
	Quota ops.Quota `json:"quota"` // of the account, as Keap's last answer told it
}

func newKeysLs(g *globals) *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "every key: kind, masked value, created, last used, last error, quota seen",
		Long: "ls lists the keys of every account. CREATED is when somebody logged in; Keap does not tell when\n" +
			"a key was made, so that of a key is when it was first used here, and says so.\n" +
			"Keap is not asked; bridge check --online does that.",
		Example: "  bridge keys ls\n  bridge keys ls --account default --json",
		Args:    exactArgs(0, "no arguments but flags"),
	}
	cmd.Flags().StringVar(&account, "account", "", "only this account")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		rows, err := keyRows(cmd, c, account)
		if err != nil {
			return err
		}
		if g.json {
			for _, r := range rows {
				if err := printLine(cmd.OutOrStdout(), r); err != nil {
					return err
				}
			}
			return nil
		}
		return writeKeys(cmd.OutOrStdout(), rows)
	})
	return cmd
}

// keyRows asks for the keys of one account, of all when it is "".
func keyRows(cmd *cobra.Command, c *client, account string) ([]keyRow, error) {
	var out struct {
		Accounts []struct {
			Name        string           `json:"name"`
			App         string           `json:"app"`
			Quota       ops.Quota        `json:"quota"`
			Credentials []ops.Credential `json:"credentials"`
		} `json:"accounts"`
	}
	if err := c.do(cmd.Context(), http.MethodGet, "/api/accounts", nil, nil, &out); err != nil {
		return nil, err
	}
	var rows []keyRow
	known := account == ""
	for _, a := range out.Accounts {
		if account != "" && a.Name != account {
			continue
		}
		known = true
		for _, k := range a.Credentials {
			rows = append(rows, keyRow{a.Name, a.App, k, a.Quota})
		}
	}
	if !known {
		return nil, unknownAccount(account)
	}
	return rows, nil
}

func unknownAccount(name string) error {
	return usagef("bridge status lists the accounts", "account %q is not in the configuration", name)
}

func writeKeys(w io.Writer, rows []keyRow) error {
	t := table(w)
	fmt.Fprintln(t, "ACCOUNT\tNAME\tKIND\tKEY\tIN USE\tCREATED\tLAST USED\tDAY'S QUOTA\tLAST ERROR")
	for _, r := range rows {
		use := "-"
		if r.Active {
			use = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d/%d\t%s\n", r.Account, r.Name, r.Kind, r.Masked, use,
			created(&r.Credential), moment(r.LastUsed), r.Quota.Day.Used, r.Quota.Day.Limit, dash(r.LastError))
	}
	return t.Flush()
}

// created is when a key was made, or since when it is known here.
func created(k *ops.Credential) string {
	switch day := k.Created.Local().Format(time.DateOnly); {
	case k.Created.IsZero():
		return "-"
	case k.FirstSeen:
		return day + " (first seen)"
	default:
		return day
	}
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// onlyAccount is the account that is meant when none is named: the only one there is with such a key.
func onlyAccount(rows []keyRow, what string, fits func(*keyRow) bool) (string, error) {
	var names []string
	for i := range rows {
		if fits(&rows[i]) && !slices.Contains(names, rows[i].Account) {
			names = append(names, rows[i].Account)
		}
	}
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", usagef("bridge keys ls shows what is configured", "no account has %s", what)
	}
	return "", usagef("name one with --account", "%d accounts have %s", len(names), what)
}
