package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/app"
)

func newBackup(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "a snapshot of everything that is stored, with checksums",
		Long: "backup may run while the bridge works. The file holds personal data and is not encrypted, not even that of an\n" +
			"encrypted store; it replaces FILE only when it is whole. bridge restore reads it.",
		Args: exactArgs(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := g.settings(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			report, size, err := replaceFile(args[0], func(w io.Writer) error { return backupTo(cmd.Context(), &set, args[0], w) })
			if err != nil {
				return err
			}
			return g.reportStore(cmd.OutOrStdout(), "backed up", report, size)
		},
	}
}

// backupTo asks the running bridge of an embedded store, which has it to itself, or else opens the store.
func backupTo(ctx context.Context, set *app.Settings, file string, w io.Writer) error {
	if set.Env.NatsURL == "" {
		if h, err := app.RunningServe(&set.Env); err == nil && alive(ctx, h.Address) {
			c := &client{base: h.Address, token: h.Token, http: &http.Client{}}
			res, err := c.open(ctx, http.MethodGet, "/api/backup", url.Values{"file": {file}}, nil)
			if err != nil {
				return err
			}
			defer res.Body.Close()
			_, err = io.Copy(w, res.Body)
			return err
		}
	}
	_, err := app.Backup(ctx, set, file, w)
	return err
}

// replaceFile writes a backup beside its place, checks it from end to end, and only then puts it there.
func replaceFile(path string, write func(io.Writer) error) (report app.StoreReport, size int64, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // readable by its owner only
	if err != nil {
		return report, 0, &usageError{err, "name a file in a folder that can be written to"}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return report, 0, err
	}
	if err := f.Sync(); err != nil {
		return report, 0, err
	}
	if size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return report, 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return report, 0, err
	}
	if report, err = app.VerifyBackup(f); err != nil {
		return report, 0, fmt.Errorf("the backup broke off: %w", err)
	}
	if err := f.Close(); err != nil {
		return report, 0, err
	}
	return report, size, os.Rename(f.Name(), path)
}

func newRestore(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "fill an empty store from a backup",
		Long: "restore reads a whole backup first and fills an empty --data-dir, or the NATS server of BRIDGE_NATS_URL where it\n" +
			"holds no events. What was on its way when the backup was made is lined up again; steps that are done do not run again.",
		Args: exactArgs(1, "one file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := g.settings(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			f, err := os.Open(args[0])
			if err != nil {
				return &usageError{err, "name a file that bridge backup made"}
			}
			defer f.Close()
			report, err := app.Restore(cmd.Context(), &set, f)
			if err != nil {
				return err
			}
			return g.reportStore(cmd.OutOrStdout(), "restored", report, 0)
		},
	}
}

func newMigrate(g *globals) *cobra.Command {
	var to, creds string
	var replicas int
	cmd := &cobra.Command{
		Use:   "migrate --to nats://…",
		Short: "move the embedded store to a NATS server or cluster",
		Long: "migrate copies the store of --data-dir to a NATS server that holds none of its streams, and marks the folder so that\n" +
			"it is not worked again. Stop bridge serve before, and set BRIDGE_NATS_URL after.",
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := g.settings(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if set.Env.NatsURL != "" {
				return usagef("unset it to move what --data-dir holds", "BRIDGE_NATS_URL is set: this bridge has moved already")
			}
			if creds != "" {
				set.Env.NatsCreds = creds
			}
			if replicas > 0 {
				set.Env.NatsReplicas = replicas
			}
			report, err := app.Migrate(cmd.Context(), &set, to)
			if err != nil {
				return err
			}
			if err := g.reportStore(cmd.OutOrStdout(), "moved", report, 0); err != nil || g.json {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "now set BRIDGE_NATS_URL=%s and start bridge serve\n", to)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&to, "to", "", "address of the NATS server")
	f.StringVar(&creds, "creds", "", "credentials file for it (default: BRIDGE_NATS_CREDS)")
	f.IntVar(&replicas, "replicas", 0, "copies of every stream (default: BRIDGE_NATS_REPLICAS)")
	must(cmd, "to")
	return cmd
}

// reportStore prints what a store or a backup holds.
func (g *globals) reportStore(w io.Writer, verb string, r app.StoreReport, size int64) error {
	if g.json {
		return printJSON(w, r)
	}
	messages := uint64(0)
	t := table(w)
	for _, s := range r.Streams {
		messages += s.Messages
		fmt.Fprintf(t, "  %s\t%d messages\t%d bytes\n", s.Name, s.Messages, s.Bytes)
	}
	fmt.Fprintf(w, "%s: %d messages as of %s\n", verb, messages, r.At.Local().Format(time.DateTime))
	if err := t.Flush(); err != nil {
		return err
	}
	if size > 0 {
		fmt.Fprintf(w, "%d bytes, every checksum is right\n", size)
	}
	if r.Again > 0 {
		fmt.Fprintf(w, "%d events were on their way and are lined up again\n", r.Again)
	}
	return nil
}
