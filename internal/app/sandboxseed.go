package app

import (
	"maps"
	"slices"
	"strings"

	"bridge/internal/config"
	"bridge/internal/keap"
	"bridge/internal/keap/sandbox"
	"bridge/internal/rules"
)

// prepareSandbox gives the sandbox what a Keap account that fits the configuration would have: the keys and whose they
// are, and every custom field, action set and user that rules name. Tags and goals need no preparation.
func prepareSandbox(s *sandbox.Server, cfg *config.Config) error {
	seed := sandbox.Seed{}
	keys := map[string]sandbox.Key{}
	seen := map[string]bool{}
	once := func(kind, name string) bool {
		fresh := !seen[kind+name]
		seen[kind+name] = true
		return fresh
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Accounts)) {
		a := cfg.Accounts[name]
		if a.App != "" && a.Keap.Kind() == keap.OAuth {
			keys["client:"+a.Keap.OAuth2.ClientID] = sandbox.Key{App: a.App}
		} else if a.App != "" {
			for _, k := range []string{a.Keap.ServiceAccountKey.Reveal(), a.Keap.PersonalAccessToken.Reveal(), a.Keap.NextKey.Reveal()} {
				if k != "" {
					keys[k] = sandbox.Key{App: a.App}
				}
			}
		}
		for id, set := range a.ActionSets {
			if once(rules.NamedActionSet, id) {
				seed.ActionSets = append(seed.ActionSets, sandbox.ActionSet{ID: id, Name: set.Name})
			}
		}
		for _, n := range a.Set.Named() {
			switch {
			case n.Kind == rules.NamedField && once(n.Kind, strings.ToLower(n.Name)):
				seed.CustomFields = append(seed.CustomFields, sandbox.CustomField{Label: n.Name})
			case n.Kind == rules.NamedActionSet && once(n.Kind, n.Name):
				seed.ActionSets = append(seed.ActionSets, sandbox.ActionSet{ID: n.Name, Name: "Action set " + n.Name})
			}
		}
	}
	if len(keys) > 0 {
		if err := s.SetSettings(sandbox.Settings{Keys: keys}); err != nil {
			return err
		}
	}
	return s.Seed(seed)
}
