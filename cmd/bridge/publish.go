package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"bridge/internal/ops"
)

func newPublish(g *globals) *cobra.Command {
	var account, source string
	cmd := &cobra.Command{
		Use:   "publish FILE",
		Short: "publish CloudEvents: a JSON object, an array, or JSON Lines",
		Args:  exactArgs(1, "one file"),
	}
	cmd.Flags().StringVar(&account, "account", "", "account, by its name in the configuration")
	cmd.Flags().StringVar(&source, "source", "", "source (of kind nats or cloudevents)")
	must(cmd, "account", "source")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := readInput(cmd.InOrStdin(), args[0])
		if err != nil {
			return err
		}
		list, err := cloudEvents(body)
		if err != nil {
			return &usageError{fmt.Errorf("%s: %w", args[0], err), "a CloudEvent, an array of them, or one a line"}
		}
		return g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
			return g.publish(cmd, c, account, source, list)
		})(cmd, args)
	}
	return cmd
}

// maxAtOnce is how many events one request carries.
const maxAtOnce = 200

func (g *globals) publish(cmd *cobra.Command, c *client, account, source string, list []json.RawMessage) error {
	counts := map[string]int{}
	for len(list) > 0 {
		n := min(len(list), maxAtOnce)
		var out struct {
			Events []ops.Published `json:"events"`
		}
		in := map[string]any{"account": account, "source": source, "events": list[:n]}
		err := c.do(cmd.Context(), http.MethodPost, "/api/events", nil, in, &out)
		if none := (*problem)(nil); errors.As(err, &none) && len(none.Events) > 0 {
			out.Events, err = none.Events, nil
		}
		if err != nil {
			return err
		}
		for _, p := range out.Events {
			counts[p.Status]++
			if g.json {
				if err := printLine(cmd.OutOrStdout(), p); err != nil {
					return err
				}
			} else if p.Status == ops.Refused {
				fmt.Fprintf(cmd.OutOrStdout(), "refused: %s %s\n", p.ID, p.Detail)
			}
		}
		list = list[n:]
	}
	if !g.json {
		fmt.Fprintf(cmd.OutOrStdout(), "%d accepted, %d duplicates, %d refused\n", counts[ops.Accepted], counts[ops.Duplicate], counts[ops.Refused])
	}
	if counts[ops.Refused] > 0 {
		return &toldError{fmt.Errorf("%d events were refused", counts[ops.Refused])}
	}
	return nil
}

// cloudEvents splits an object, an array, or JSON Lines.
func cloudEvents(body []byte) ([]json.RawMessage, error) {
	if b := bytes.TrimSpace(body); len(b) > 0 && b[0] == '[' {
		var list []json.RawMessage
		err := json.Unmarshal(b, &list)
		return list, err
	}
	var list []json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		var one json.RawMessage
		err := dec.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, errors.New("there is no event in it")
	}
	return list, nil
}
