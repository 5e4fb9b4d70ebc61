package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/sources"
)

func newSend(g *globals) *cobra.Command {
	var d app.Delivery
	cmd := &cobra.Command{
		Use:   "send [FILE]",
		Short: "sign a payload as its sender would and post it to a running ingress",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("run bridge send --help", "bridge send needs one file at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return g.send(cmd, d, append(args, "-")[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&d.Account, "account", "", "account, by its name in the configuration")
	f.StringVar(&d.Source, "source", "", "source of the account, by its name in the configuration")
	f.StringVar(&d.Event, "event", "", "the sender's own name of the event, where the body does not say it")
	f.StringVar(&d.Base, "to", "", "address of the ingress (default: BRIDGE_HTTP_ADDR on this machine)")
	must(cmd, "account", "source")
	return cmd
}

func (g *globals) send(cmd *cobra.Command, d app.Delivery, file string) error {
	e, err := g.env()
	if err != nil {
		return err
	}
	cfg, err := configured(e.Config, d.Account, d.Source)
	if err != nil {
		return err
	}
	if d.Body, err = readInput(cmd.InOrStdin(), file); err != nil {
		return err
	}
	if d.Base == "" {
		d.Base = ingressAddress(&e)
	}
	rehearsal, err := app.ReadRehearsal(e.DataDir)
	if err != nil {
		return fmt.Errorf("the key for trying senders out: %w", err)
	}
	sent, err := app.Send(cmd.Context(), cfg, d, http.DefaultClient, rehearsal)
	var refusal *sources.Refusal
	if errors.As(err, &refusal) {
		return hintf(refusal.Hint, "%w", err)
	}
	if err != nil {
		return hintf("is bridge serve running? --to names another address than "+d.Base, "%w", err)
	}
	if g.json {
		err = printJSON(cmd.OutOrStdout(), sent)
	} else {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", sent.Status, sent.Body)
	}
	if err == nil && sent.Status >= http.StatusMultipleChoices {
		err = fmt.Errorf("the ingress answered %d", sent.Status)
	}
	return err
}

// ingressAddress is where an ingress of this environment listens.
func ingressAddress(e *config.Env) string {
	scheme := "http"
	if e.TLSCert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(e.HTTPAddr)
	if err != nil || host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), port)
}
