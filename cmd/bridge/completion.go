package main

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"bridge/internal/config"
	"bridge/internal/events"
)

// complete lets shells complete the values of flags that name something of the configuration, on every command below
// cmd. Cobra's own command `completion` prints the scripts.
func (g *globals) complete(cmd *cobra.Command) {
	for name, values := range map[string]func(*cobra.Command) []string{"account": g.accountNames, "source": g.sourceNames, "state": stateNames} {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		err := cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return values(cmd), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // registered twice: a mistake in this program
		}
	}
	for _, c := range cmd.Commands() {
		g.complete(c)
	}
}

// accountNames are those of the configuration; none when it cannot be read.
func (g *globals) accountNames(*cobra.Command) []string {
	cfg := g.quietly()
	if cfg == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(cfg.Accounts))
}

// sourceNames are those of the account that is given, of all accounts otherwise.
func (g *globals) sourceNames(cmd *cobra.Command) []string {
	cfg := g.quietly()
	if cfg == nil {
		return nil
	}
	names := map[string]bool{}
	given := ""
	if f := cmd.Flags().Lookup("account"); f != nil {
		given = f.Value.String()
	}
	for account, a := range cfg.Accounts {
		for source := range a.Sources {
			if given == "" || given == account {
				names[source] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func stateNames(*cobra.Command) []string {
	var names []string
	for _, s := range events.States {
		names = append(names, string(s))
	}
	return names
}

// quietly reads the configuration, nil when it has mistakes.
func (g *globals) quietly() *config.Config {
	e, err := g.env()
	if err != nil {
		return nil
	}
	cfg, _, err := config.LoadValid(e.Config)
	if err != nil {
		return nil
	}
	return cfg
}
