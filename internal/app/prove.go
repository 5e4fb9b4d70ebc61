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
func (v *visits) Prove(ctx context.Context, account string, names []ops.Name) (p ops.Proof, err error) {
	visit, err := v.app.visit(ctx, account)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, visit.close(ctx)) }()
	if p.Keys, err = visit.proveKeys(ctx); err != nil || names == nil {
		return p, err
	}
	if !slices.ContainsFunc(p.Keys, func(k ops.KeyProof) bool { return k.Works }) {
		for _, n := range names {
			p.Names = append(p.Names, ops.NameProof{Name: n, Found: ops.FoundUnknown, Detail: "no key works"})
		}
		p.Unlisted = "no key works"
		return p, nil
	}
	have := &listed{visit: visit}
	for _, n := range names {
		found, err := have.prove(ctx, n)
		if err != nil {
			return p, err
		}
		p.Names = append(p.Names, found)
	}
	if err := have.actionSets(ctx); err != nil {
		p.Unlisted = err.Error()
	}
	p.ActionSets = have.replacements()
	return p, nil
}

// proveKeys shows every configured key to Keap, each by itself.
func (v *visit) proveKeys(ctx context.Context) ([]ops.KeyProof, error) {
	known, err := v.app.credentials(ctx, v.account)
	if err != nil {
		return nil, err
	}
	keys := configuredKeys(v.account.Account)
	proofs := make([]ops.KeyProof, len(known))
	for i, c := range known {
		proofs[i].Credential = c
		client := v.keap // with OAuth2: there is one login
		if len(keys) > 0 {
			cred, err := single(v.account.Keap.Kind(), keys[i].value)
			if err != nil {
				return nil, people(err)
			}
			if client, err = v.client(cred); err != nil {
				return nil, err
			}
		}
		if err := v.proveKey(ctx, client, &proofs[i]); err != nil {
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
func (v *visit) proveKey(ctx context.Context, client *keap.Client, p *ops.KeyProof) error {
	var info keap.UserInfo
	err := v.call(ctx, func() (err error) {
		info, err = client.UserInfo(ctx)
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
	if app := v.account.App; app != "" && info.Tenant != "" && !strings.EqualFold(info.Tenant, app) {
		p.Works = false
		p.Error = fmt.Sprintf("the key belongs to the Keap application %s, the configuration says %s", info.Tenant, app)
		p.Hint = "correct app: or give the key of " + app
	}
	return nil
}
