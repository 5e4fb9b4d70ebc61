package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bridge/internal/app"
	"bridge/internal/config"
	"bridge/internal/ops"
)

// proof is what Keap says of one account.
type proof struct {
	ops.Proof
	Unproven string `json:"unproven,omitempty"` // why this configuration's keys are not those that were proven
	Error    string `json:"error,omitempty"`    // why Keap was not asked
	Hint     string `json:"hint,omitempty"`
}

// online asks Keap for accounts, all when there are none.
func (g *globals) online(cmd *cobra.Command, cfg *config.Config, accounts []string) (map[string]proof, error) {
	if len(accounts) == 0 {
		accounts = slices.Sorted(maps.Keys(cfg.Accounts))
	}
	for _, name := range accounts {
		if err := named(cfg, name, ""); err != nil {
			return nil, err
		}
	}
	c, err := g.connect(cmd)
	if err != nil {
		return nil, err
	}
	proofs := map[string]proof{}
	for _, name := range accounts {
		p, err := prove(cmd, c, name, cfg.Accounts[name])
		var said *problem
		if errors.As(err, &said) {
			p.Error, p.Hint = said.Error(), said.Hint()
			if said.Status == http.StatusNotFound {
				p.Hint = "the running bridge has another configuration: save this one where it reads it, and ask again"
			}
		} else if err != nil {
			return nil, errors.Join(err, c.close())
		}
		proofs[name] = p
	}
	return proofs, c.close()
}

// prove asks Keap for one account.
func prove(cmd *cobra.Command, c *client, name string, a *config.Account) (proof, error) {
	var in struct {
		Names []ops.Name `json:"names"`
	}
	in.Names = []ops.Name{}
	for _, n := range app.Names(a) {
		in.Names = append(in.Names, n.Name)
	}
	var p proof
	if err := c.do(cmd.Context(), http.MethodPost, "/api/accounts/"+url.PathEscape(name)+"/proof", nil, in, &p.Proof); err != nil {
		return p, err
	}
	for i, masked := range app.MaskedKeys(a) {
		if i >= len(p.Keys) || p.Keys[i].Masked != masked {
			p.Unproven = "the running bridge uses another key than this configuration's " + masked
		}
	}
	return p, nil
}

// wrong counts what has to be put right: keys that do not work and names that Keap does not have.
func (p *proof) wrong(a *config.Account) (keys, names int) {
	for _, k := range p.Keys {
		if !k.Works {
			keys++
		}
	}
	if p.Error != "" || p.Unproven != "" {
		keys++
	}
	spare := map[ops.Name]bool{}
	for _, n := range app.Names(a) {
		spare[n.Name] = n.Spare
	}
	for _, n := range p.Names {
		if n.Found == ops.FoundNo && !spare[n.Name] {
			names++
		}
	}
	return keys, names
}

// verdictOnline is the error of what Keap says, nil when all is well.
func verdictOnline(cfg *config.Config, proofs map[string]proof) error {
	keys, names := 0, 0
	for name, p := range proofs {
		k, n := p.wrong(cfg.Accounts[name])
		keys, names = keys+k, names+n
	}
	switch {
	case keys > 0:
		return hintf("the lines above say what to do for each account", "%s could not be proven", counted(keys, "credential", "credentials"))
	case names > 0:
		return usagef("create them in Keap, or correct the names in the configuration", "Keap does not have %s that the configuration names", counted(names, "thing", "things"))
	}
	return nil
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func writeOnline(w io.Writer, cfg *config.Config, proofs map[string]proof) {
	for _, name := range slices.Sorted(maps.Keys(proofs)) {
		p, a := proofs[name], cfg.Accounts[name]
		fmt.Fprintf(w, "\n%s%s at Keap\n", name, inParentheses(a.App))
		if p.Error != "" {
			fmt.Fprintf(w, "  %s\n", p.Error)
			if p.Hint != "" {
				fmt.Fprintf(w, "  hint: %s\n", p.Hint)
			}
			continue
		}
		for _, k := range p.Keys {
			writeKeyProof(w, &k)
		}
		if p.Unproven != "" {
			fmt.Fprintln(w, " ", p.Unproven)
		}
		if slices.ContainsFunc(p.Keys, func(k ops.KeyProof) bool { return k.Works }) {
			writeNames(w, a, p.Names)
			writeActionSets(w, a, &p.Proof)
		}
	}
}

func inParentheses(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

func writeKeyProof(w io.Writer, k *ops.KeyProof) {
	fmt.Fprintf(w, "  %s %s ", k.Kind, k.Masked)
	if k.Works {
		var whose []string
		for _, part := range []string{k.User, k.App} {
			if part != "" {
				whose = append(whose, part)
			}
		}
		fmt.Fprintf(w, "works%s\n", inParentheses(strings.Join(whose, ", ")))
		return
	}
	fmt.Fprintf(w, "does NOT work: %s\n", k.Error)
	if k.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", k.Hint)
	}
}

// foundWords say what was found, for people.
var foundWords = map[ops.Found]string{ops.FoundYes: "in Keap", ops.FoundNo: "MISSING", ops.FoundLater: "will be created", ops.FoundUnknown: "not provable"}

func writeNames(w io.Writer, a *config.Account, found []ops.NameProof) {
	counts := map[string]int{}
	all := app.Names(a)
	t := table(w)
	for i, n := range found {
		place, words := "", foundWords[n.Found]
		if i < len(all) && all[i].Name == n.Name {
			place = all[i].Places[0]
			if more := len(all[i].Places) - 1; more > 0 {
				place += fmt.Sprintf(" and %d more", more)
			}
			if all[i].Spare && n.Found != ops.FoundYes {
				words = "not in Keap" // and so on nobody: nothing to take away
			}
		}
		counts[words]++
		detail := n.Detail
		if n.Found == ops.FoundLater {
			detail = "" // foundWords say it
		}
		if n.Found == ops.FoundYes && n.ID != "" && n.ID != n.Name.Name {
			detail = strings.TrimSuffix("id "+n.ID+", "+detail, ", ")
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\n", words, n.Kind, n.Name.Name, place, detail)
	}
	_ = t.Flush()
	if len(found) > 0 {
		fmt.Fprintf(w, "  %d in Keap, %d created when first needed, %d missing, %d not provable\n", counts[foundWords[ops.FoundYes]],
			counts[foundWords[ops.FoundLater]], counts[foundWords[ops.FoundNo]], counts[foundWords[ops.FoundUnknown]])
	}
}

// writeActionSets lists what Keap has beside what replaces it when XML-RPC ends.
func writeActionSets(w io.Writer, a *config.Account, p *ops.Proof) {
	if p.Unlisted != "" {
		fmt.Fprintf(w, "  action sets cannot be listed: %s\n", p.Unlisted)
		return
	}
	if len(p.ActionSets) == 0 {
		return
	}
	run := map[string]bool{}
	for _, n := range app.Names(a) {
		if n.Kind == "action set" {
			run[n.Name.Name] = true
		}
	}
	left := int(time.Until(p.ActionSets[0].Ends).Hours() / 24)
	fmt.Fprintf(w, "  action sets in Keap; XML-RPC, which runs them, ends on %s (%s)\n", p.ActionSets[0].Ends.UTC().Format("2 January 2006"), daysLeft(left))
	t := table(w)
	for _, s := range p.ActionSets {
		replaced := "replaced by " + s.Replaced
		switch {
		case s.Replaced == "" && run[s.ID]:
			replaced = "NOT replaced, and a rule runs it"
		case s.Replaced == "":
			replaced = "no rule runs it"
		}
		fmt.Fprintf(t, "    %s\t%s\t%s\n", s.ID, s.Name, replaced)
	}
	_ = t.Flush()
}

func daysLeft(n int) string {
	if n < 0 {
		return "it is gone"
	}
	return counted(n, "day left", "days left")
}
