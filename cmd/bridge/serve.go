package main

import (
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"bridge/internal/app"
)

func newServe(g *globals) *cobra.Command {
	var roles []string
	var sandbox bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "ingress, workers and console",
		Long:  "serve takes webhooks, works events and serves the console, with an embedded NATS unless BRIDGE_NATS_URL\nnames another one. It stops within BRIDGE_SHUTDOWN_TIMEOUT after an interrupt. Changed configuration files are in\nforce within seconds, at once on SIGHUP.",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, r := range roles {
				if !slices.Contains(app.Roles, r) {
					return usagef("roles are "+strings.Join(app.Roles, ", "), "unknown role %q", r)
				}
			}
			set, err := g.settings(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			set.Roles, set.Sandbox = roles, sandbox
			hangups := make(chan os.Signal, 1)
			signal.Notify(hangups, syscall.SIGHUP)
			defer signal.Stop(hangups)
			set.Reload = hangups
			return configError(app.Run(cmd.Context(), set))
		},
	}
	cmd.Flags().StringSliceVar(&roles, "roles", nil, "what this process does: "+strings.Join(app.Roles, ", ")+" (default all)")
	cmd.Flags().BoolVar(&sandbox, "sandbox", false, "also start the Keap sandbox and point every account at it")
	return cmd
}
