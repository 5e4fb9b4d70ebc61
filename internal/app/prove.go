package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bridge/internal/keap"
	"bridge/internal/ops"
	"bridge/internal/secret"
)

// visits ask Keap for people; it implements ops.Keap.
type visits struct{ app *App }

// Prove implements ops.Keap.
func (v *visits) Prove(ctx context.Context, account string, names []ops.Name) (_ ops.Proof, err error) {
	var p ops.Proof
	if p.Keys, err = v.proveKeys(ctx, account); err != nil {
		return p, err
	}
	if names == nil {
		return p, nil
	}
	if !slices.ContainsFunc(p.Keys, func(k ops.KeyProof) bool { return k.Works }) {
		for _, n := range names {
			p.Names = append(p.Names, ops.NameProof{Name: n, Found: ops.FoundUnknown, Detail: "no key works"})
		}
		p.Unlisted = "no key works"
		return p, nil
	}
	visit, err := v.app.visit(ctx, account, nil)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, visit.close(ctx)) }()
	sets := &listed{visit: visit}
	for _, n := range names {
		found, err := sets.prove(ctx, n)
		if err != nil {
			return p, err
		}
		p.Names = append(p.Names, found)
	}
	if err := sets.actionSets(ctx); err != nil {
		p.Unlisted = err.Error()
	}
	replaced := actionSetList(visit.account)
	for _, id := range sets.order {
		set := ops.ActionSet{ID: id, Name: sets.sets[id], Ends: xmlrpcEnds}
		for _, r := range replaced {
			if r.ID == id {
				set.Replaced = r.Replaced
			}
		}
		p.ActionSets = append(p.ActionSets, set)
	}
	return p, nil
}

// proveKeys shows every configured key to Keap, each by itself.
func (v *visits) proveKeys(ctx context.Context, account string) ([]ops.KeyProof, error) {
	acc := v.app.worlds.find(account)
	if acc == nil {
		return nil, &ops.Error{Kind: ops.NotFound, Message: fmt.Sprintf("account %q is not in the configuration", account)}
	}
	known, err := v.app.credentials(ctx, acc)
	if err != nil {
		return nil, err
	}
	proofs := make([]ops.KeyProof, len(known))
	for i, c := range known {
		proofs[i].Credential = c
		var cred keap.Credential // nil: the OAuth2 login as it is configured
		if keys := configuredKeys(acc.Account); len(keys) > 0 {
			if cred, err = single(acc.Keap.Kind(), keys[i].value); err != nil {
				return nil, people(err)
			}
		}
		if err := v.proveKey(ctx, acc, cred, &proofs[i]); err != nil {
			return nil, err
		}
	}
	return proofs, nil
}

// single is a credential of one key, without a successor.
func single(kind keap.CredentialKind, key secret.Text) (keap.Credential, error) {
	if kind == keap.PAT {
		return keap.PersonalAccessToken(key, secret.Text{})
	}
	return keap.ServiceAccountKey(key, secret.Text{})
}

// proveKey fills in what Keap says to a key. Only what keeps Keap from being asked is an error.
func (v *visits) proveKey(ctx context.Context, acc *account, cred keap.Credential, p *ops.KeyProof) (err error) {
	visit, err := v.app.visit(ctx, acc.Name, cred)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, visit.close(ctx)) }()
	var info keap.UserInfo
	err = visit.call(ctx, func() (err error) {
		info, err = visit.keap.UserInfo(ctx)
		return err
	})
	var asked *ops.Error
	switch kind := keap.KindOf(err); {
	case err == nil:
	case kind != "" && errors.As(err, &asked):
		p.Error, p.Hint = asked.Message, asked.Hint
		p.Denied = kind == keap.KindDenied || kind == keap.KindCredential
		return nil
	default:
		return err
	}
	p.App, p.User, p.Works = info.Tenant, info.Email, true
	if acc.App != "" && info.Tenant != "" && !strings.EqualFold(info.Tenant, acc.App) {
		p.Works = false
		p.Error = fmt.Sprintf("the key belongs to the Keap application %s, the configuration says %s", info.Tenant, acc.App)
		p.Hint = "correct app: or give the key of " + acc.App
	}
	return nil
}
