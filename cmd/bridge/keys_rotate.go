package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"bridge/internal/ops"
)

func newKeysRotate(g *globals) *cobra.Command {
	var account string
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "replace a key without a gap: create, check, switch, remove",
		Long: "rotate walks through the replacement of a service account key or personal access token. It looks at the\n" +
			"configuration, shows both keys to Keap and says which step comes next; run it again after each step. It changes\n" +
			"nothing by itself, and events go on all the time.\n\n" +
			"  1 create   make a second key in Keap and put it into next_key\n" +
			"  2 check    rotate proves that it works and belongs to the same Keap application\n" +
			"  3 switch   the new key takes the first place, the old one becomes next_key\n" +
			"  4 remove   delete the old key in Keap, then take next_key out of the configuration",
		Example: "  bridge keys rotate --account default",
		Args:    exactArgs(0, "no arguments but flags"),
	}
	cmd.Flags().StringVar(&account, "account", "", "account (default: the only one)")
	cmd.RunE = g.withClient(func(cmd *cobra.Command, c *client, _ []string) error {
		rows, err := keyRows(cmd, c, account)
		if err != nil {
			return err
		}
		name, err := onlyAccount(rows, "a key that can be rotated", func(r *keyRow) bool { return r.Name != "oauth2" })
		if err != nil {
			return err
		}
		var p ops.Proof
		if err := c.do(cmd.Context(), http.MethodPost, "/api/accounts/"+url.PathEscape(name)+"/proof", nil, map[string]any{}, &p); err != nil {
			return err
		}
		r := rotationOf(p.Keys)
		r.Account = name
		if g.json {
			err = printJSON(cmd.OutOrStdout(), r)
		} else {
			r.write(cmd.OutOrStdout())
		}
		if err == nil && r.Trouble {
			err = &toldError{fmt.Errorf("the rotation cannot go on")}
		}
		return err
	})
	return cmd
}

// rotation is where a rotation stands and what comes next.
type rotation struct {
	Account string         `json:"account"`
	Step    string         `json:"step"` // create, check, switch, remove, tidy
	Keys    []ops.KeyProof `json:"keys"`
	Next    []string       `json:"next"`              // what to do now, in order
	Trouble bool           `json:"trouble,omitempty"` // something else has to be put right first
}

// The steps of a rotation; tidy is what is left when the old key is gone already.
const (
	stepCreate = "create"
	stepCheck  = "check"
	stepSwitch = "switch"
	stepRemove = "remove"
	stepTidy   = "tidy"
)

// rotationOf tells from both keys, the first place's first, where a rotation stands. Which key is the older one is told
// by when each was first used here.
func rotationOf(keys []ops.KeyProof) rotation {
	r := rotation{Keys: keys}
	first := &keys[0]
	if len(keys) == 1 {
		r.Step = stepCreate
		r.Next = []string{
			"in Keap, under Settings > API, make a second " + first.Kind + "; leave the first as it is",
			"put it into next_key: of this account's keap:, as ${env:…} or ${file:…}",
			"run bridge keys rotate again",
		}
		return r
	}
	next := &keys[1]
	switched := !first.Created.IsZero() && !next.Created.IsZero() && first.Created.After(next.Created)
	switch {
	case first.Works && next.Works && switched:
		r.Step = stepRemove
		r.Next = []string{
			"in Keap, delete the old key " + next.Masked,
			"take next_key out of the configuration",
		}
	case first.Works && next.Works:
		r.Step = stepSwitch
		r.Next = []string{
			"let the two keys change places: " + first.Name + " becomes " + next.Masked + ", next_key becomes " + first.Masked,
			"run bridge keys rotate again (a changed file is in force within seconds; a changed variable needs a restart)",
		}
	case first.Works && next.Denied && switched:
		r.Step, r.Next = stepTidy, []string{"the old key " + next.Masked + " is gone: take next_key out of the configuration, and the rotation is done"}
	case next.Works && first.Denied:
		r.Step = stepTidy
		r.Next = []string{
			"Keap refuses " + first.Masked + " and the bridge works with next_key: put " + next.Masked + " into " + first.Name,
			"take next_key out of the configuration, and the rotation is done",
		}
	default:
		r.Step, r.Trouble = stepCheck, true
		for _, k := range keys {
			if !k.Works {
				r.Next = append(r.Next, strings.TrimSuffix(k.Name+" "+k.Masked+": "+k.Error+"; "+k.Hint, "; "))
			}
		}
		r.Next = append(r.Next, "a key that was just made can take some minutes to work; then run bridge keys rotate again")
	}
	return r
}

func (r *rotation) write(w io.Writer) {
	for i := range r.Keys {
		k := &r.Keys[i]
		fmt.Fprintf(w, "%s: ", k.Name)
		if k.Works {
			fmt.Fprintf(w, "%s works%s\n", k.Masked, inParentheses(k.App))
		} else {
			fmt.Fprintf(w, "%s does not work: %s\n", k.Masked, k.Error)
		}
	}
	fmt.Fprintf(w, "\nrotation of %s, step %s\n", r.Account, r.Step)
	for i, text := range r.Next {
		fmt.Fprintf(w, "  %d. %s\n", i+1, text)
	}
}
