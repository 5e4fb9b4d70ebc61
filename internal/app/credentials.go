package app

import (
	"context"
	"errors"
	"strings"

	"bridge/internal/config"
	"bridge/internal/keap"
	"bridge/internal/ops"
	"bridge/internal/secret"
)

// credentials lists an account's keys as they are configured, with what is known of each.
func (a *App) credentials(ctx context.Context, acc *account) ([]ops.Credential, error) {
	uses, err := a.groups.keys.of(ctx, acc.Name)
	if err != nil {
		return nil, err
	}
	k := &acc.Keap
	if k.Kind() == keap.OAuth {
		u := uses[keyName(keap.OAuth, k.OAuth2.ClientID)]
		c := ops.Credential{Name: string(keap.OAuth), Kind: kindWords(keap.OAuth), Masked: "no login yet", Created: u.Login, LastUsed: u.Last, LastError: u.failure()}
		if t, _, err := a.groups.tokens(acc.Name).Load(ctx); err == nil {
			c.Masked, c.Active = t.Access.Masked(), true
		} else if !errors.Is(err, keap.ErrNoTokens) {
			c.LastError = err.Error()
		}
		return []ops.Credential{c}, nil
	}
	var list []ops.Credential
	for _, one := range configuredKeys(acc.Account) {
		u := uses[shownKey(one.value.Reveal())]
		list = append(list, ops.Credential{Name: one.name, Kind: kindWords(k.Kind()), Masked: one.value.Masked(), Created: u.First, FirstSeen: !u.First.IsZero(), LastUsed: u.Last, LastError: u.failure()})
	}
	inUse := 0 // the next key takes over when the first one is refused, and stays
	if len(list) > 1 && list[1].LastUsed.After(list[0].LastUsed) && list[0].LastError != "" {
		inUse = 1
	}
	list[inUse].Active = true
	return list, nil
}

// configuredKey is a key and where it stands in the configuration.
type configuredKey struct {
	name  string
	value secret.Text
}

// configuredKeys are an account's keys, the first one first; none with OAuth2.
func configuredKeys(acc *config.Account) []configuredKey {
	k := &acc.Keap
	var list []configuredKey
	switch k.Kind() {
	case keap.PAT:
		list = append(list, configuredKey{string(keap.PAT), k.PersonalAccessToken})
	case keap.SAK:
		list = append(list, configuredKey{string(keap.SAK), k.ServiceAccountKey})
	}
	if !k.NextKey.Empty() {
		list = append(list, configuredKey{"next_key", k.NextKey})
	}
	return list
}

func kindWords(k keap.CredentialKind) string {
	if k == keap.OAuth {
		return "OAuth2"
	}
	return strings.ReplaceAll(string(k), "_", " ")
}
