package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/keap/sandbox"
)

func newSandbox(g *globals) *cobra.Command {
	var addr, faults string
	var seed uint64
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "the Keap simulator alone",
		Long:  "sandbox serves a simulator of Keap (REST v1, v2 and XML-RPC below /crm, OAuth2 at /token) with control at /sandbox/.\nIt keeps nothing on disk. Point a bridge at it with BRIDGE_KEAP_BASE_URL=http://127.0.0.1:8090/crm.",
		Args:  exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := g.env()
			if err != nil {
				return err
			}
			if os.Getenv("GOMEMLIMIT") == "" {
				debug.SetMemoryLimit(sandboxMemory)
			}
			s := sandbox.New(sandbox.Options{Seed: seed, Logger: newLogger(&e, cmd.ErrOrStderr()), Hooks: &http.Client{Timeout: 30 * time.Second}})
			if faults != "" {
				if err := loadFaults(s, faults); err != nil {
					return err
				}
			}
			l, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", addr)
			if err != nil {
				return hintf("choose another --addr", "the sandbox cannot listen: %w", err)
			}
			var hooks sync.WaitGroup
			hooks.Go(func() { s.RunHooks(cmd.Context()) })
			defer hooks.Wait()
			fmt.Fprintf(cmd.OutOrStdout(), "This is a simulator of Keap: http://%s/crm (control at /sandbox/, nothing is kept)\n", l.Addr())
			srv := sandbox.HTTPServer(s)
			go func() {
				<-cmd.Context().Done()
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				_ = srv.Shutdown(ctx)
			}()
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:8090", "where to listen")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "of latencies and fault rates")
	cmd.Flags().StringVar(&faults, "faults", "", "JSON file of faults, as for POST /sandbox/faults")
	return cmd
}

// sandboxMemory is what the simulator tries to stay within, a million contacts included; what they take beyond it, it takes.
const sandboxMemory = 1800 << 20

func loadFaults(s *sandbox.Server, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return &usageError{err, "--faults names a JSON file"}
	}
	list, err := sandbox.ParseFaults(b)
	if err != nil {
		return &usageError{fmt.Errorf("%s: %w", path, err), `a list such as [{"match":{"operation":"contacts.upsert","rate":0.05},"fault":"status:503"}]`}
	}
	return s.SetFaults(list)
}
