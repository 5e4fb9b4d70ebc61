package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"bridge/internal/config"
	"bridge/internal/ops"
	"bridge/internal/rules"
)

// Named is something in Keap that an account's configuration refers to, and where.
type Named struct {
	ops.Name
	Places []string
	// Spare: it need not be there. A tag that is only ever taken away is on nobody while Keap does not have it.
	Spare bool
}

// Names lists what an account's configuration refers to in Keap, each once, in the order of the rules.
func Names(a *config.Account) []Named {
	var list []Named
	add := func(kind, name, place string, spare bool) {
		if name == "" {
			return
		}
		i := slices.IndexFunc(list, func(n Named) bool { return n.Kind == kind && n.Name.Name == name })
		if i < 0 {
			i = len(list)
			list = append(list, Named{Name: ops.Name{Kind: kind, Name: name}, Spare: true})
		}
		list[i].Places = append(list[i].Places, place)
		list[i].Spare = list[i].Spare && spare
	}
	for _, n := range a.Set.Named() {
		add(n.Kind, n.Name, fmt.Sprintf("rule %s, %s", n.Rule, n.Path), strings.Contains(n.Path, "untag"))
	}
	add(rules.NamedUser, a.UserID, "user_id", false)
	for _, id := range slices.Sorted(maps.Keys(a.ActionSets)) {
		for _, r := range a.ActionSets[id].ReplaceWith {
			place := "action_sets." + id + ".replace_with"
			switch {
			case r.Goal != nil:
				add(rules.NamedGoal, r.Goal.Integration+"/"+r.Goal.Call, place, false)
			case r.Sequence != nil:
				add(rules.NamedSequence, r.Sequence.Automation+"/"+r.Sequence.Sequence, place, false)
			default:
				add(rules.NamedTag, r.Tag, place, false)
			}
		}
	}
	return list
}

// MaskedKeys are the keys of an account's configuration as they may be shown, the first one first; none with OAuth2.
func MaskedKeys(a *config.Account) []string {
	var masked []string
	for _, k := range configuredKeys(a) {
		masked = append(masked, k.value.Masked())
	}
	return masked
}
