// Command bridge takes webhooks and NATS messages from shops, payment gateways and membership sites and turns
// them into Keap calls, within Keap's quota. internal/events/doc.go walks through it with one event.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, fixed by the contract.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main without the process: it returns the exit code.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	begun := false
	noteBegin(root, &begun)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	var told *toldError
	if !errors.As(err, &told) {
		fmt.Fprintln(errs, "error:", err)
		var h hinter
		if errors.As(err, &h) && h.Hint() != "" {
			fmt.Fprintln(errs, "hint:", h.Hint())
		}
	}
	var usage *usageError
	if errors.As(err, &usage) || !begun { // arguments and flags are checked before a command begins
		return exitUsage
	}
	return exitFailed
}

// noteBegin tells when a command's own work begins.
func noteBegin(cmd *cobra.Command, begun *bool) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*begun = true
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		noteBegin(sub, begun)
	}
}

// globals are the flags that every command has.
type globals struct {
	config  string
	dataDir string
	json    bool
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:           "bridge",
		Short:         "the event bridge for Keap",
		Long:          "bridge takes what carts, payment gateways and membership sites tell it, keeps it on disk, and turns it\ninto Keap calls within Keap's quota.\n\nStart with: bridge demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("run bridge --help for the commands", "unknown command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, "run " + cmd.CommandPath() + " --help for its flags"}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&g.config, "config", "", "configuration file or folder (overrides BRIDGE_CONFIG)")
	flags.StringVar(&g.dataDir, "data-dir", "", "folder for everything that is stored (overrides BRIDGE_DATA_DIR)")
	flags.BoolVar(&g.json, "json", false, "print JSON (JSON Lines for lists)")
	for _, add := range commands {
		root.AddCommand(add(g))
	}
	dress(root)
	strict(root)
	g.complete(root)
	return root
}

// strict gives missing flags, and flags that do not go together, the exit code and the hint of other wrong usage.
func strict(cmd *cobra.Command) {
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		err := cmd.ValidateRequiredFlags()
		if err == nil {
			err = cmd.ValidateFlagGroups()
		}
		if err != nil {
			return &usageError{err, "run " + cmd.CommandPath() + " --help for its flags"}
		}
		return nil
	}
	for _, c := range cmd.Commands() {
		strict(c)
	}
}

// commands are the subcommands, a file each.
var commands = []func(*globals) *cobra.Command{
	newDemo, newServe, newSandbox, newCheck, newTry, newSend, newPublish, newImport, newBackup, newRestore, newMigrate, newEvents, newStatus,
	newKeys, newHooks, newVersion, newMan,
}

// onlySubcommands names the word that is no subcommand.
func onlySubcommands(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("run "+cmd.CommandPath()+" --help for its subcommands", "%s has no subcommand %q", cmd.CommandPath(), args[0])
}

// exactArgs is cobra.ExactArgs with our exit code and a hint.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("run "+cmd.CommandPath()+" --help", "%s needs %s", cmd.CommandPath(), what)
		}
		return nil
	}
}
