package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"bridge/internal/app"
	"bridge/internal/config"
)

func newDemo(g *globals) *cobra.Command {
	var once, verbose bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "the main job with nothing to install",
		Long:  "demo runs a whole bridge in a temporary folder on free ports: embedded NATS, the Keap sandbox, a demo configuration,\nsigned sample webhooks through the real ingress. It prints what each became in the CRM.",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := config.DefaultEnv() // the demo is the same on every machine
			e.LogLevel = slog.LevelError
			if verbose {
				e.LogLevel = slog.LevelInfo
			}
			d := app.Demo{Env: e, Once: once, JSON: g.json, Out: cmd.OutOrStdout(), Log: newLogger(&e, cmd.ErrOrStderr()), Version: version}
			return d.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end when every sample event is done: exit 0, or 1 after 30 s")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "show the log")
	return cmd
}
