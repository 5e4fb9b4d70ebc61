package config

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"bridge/internal/quota"
)

// Group is the accounts that share one quota: those of the same Keap application, and those that use the same OAuth2
// client.
type Group struct {
	Name     string       `json:"name"`     // fit for subjects and keys: a-z, 0-9 and -; the same as long as its applications and clients are
	Accounts []string     `json:"accounts"` // in order
	Limits   quota.Limits `json:"limits"`
	Reserve  quota.Shares `json:"reserve"`
}

// Share is what each account of the group has of the day, if they all used the same.
func (g Group) Share() int { return g.Limits.Day / len(g.Accounts) }

// Groups lists the quota groups by name.
func (c *Config) Groups() []Group {
	names := c.groupNames()
	groups := map[string]*Group{}
	for _, account := range slices.Sorted(maps.Keys(c.Accounts)) {
		a, name := c.Accounts[account], names[account]
		g, ok := groups[name]
		if !ok {
			g = &Group{Name: name, Limits: a.Limits(), Reserve: a.Shares()}
			groups[name] = g
		}
		g.Accounts = append(g.Accounts, account)
		g.Limits = tighter(g.Limits, a.Limits())
		g.Reserve = quota.Shares{Urgent: max(g.Reserve.Urgent, a.Shares().Urgent), Normal: max(g.Reserve.Normal, a.Shares().Normal)}
	}
	var out []Group
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		out = append(out, *groups[name])
	}
	return out
}

// GroupOf names the quota group of each account.
func (c *Config) GroupOf() map[string]string { return c.groupNames() }

func tighter(a, b quota.Limits) quota.Limits {
	return quota.Limits{
		Second: min(a.Second, b.Second), Minute: min(a.Minute, b.Minute), Day: min(a.Day, b.Day),
		TenantMinute: min(a.TenantMinute, b.TenantMinute), TenantDay: min(a.TenantDay, b.TenantDay),
	}
}

// groupNames joins accounts through what they share; of all that a group shares, the first name in order is its own.
func (c *Config) groupNames() map[string]string {
	parent := map[string]string{}
	var root func(string) string
	root = func(x string) string {
		if p, ok := parent[x]; ok && p != x {
			parent[x] = root(p)
			return parent[x]
		}
		parent[x] = x
		return x
	}
	for name, a := range c.Accounts {
		shared := a.shared(name)
		for _, s := range shared[1:] {
			x, y := root(shared[0]), root(s)
			parent[max(x, y)] = min(x, y)
		}
	}
	names := make(map[string]string, len(c.Accounts))
	for name, a := range c.Accounts {
		names[name] = root(a.shared(name)[0])
	}
	return names
}

// shared names what the account may share with others; at least one.
func (a *Account) shared(name string) []string {
	var shared []string
	if a.App != "" {
		shared = append(shared, "app-"+a.App)
	}
	if a.Keap.OAuth2 != nil {
		sum := sha256.Sum256([]byte(a.Keap.OAuth2.ClientID))
		shared = append(shared, "client-"+hex.EncodeToString(sum[:8]))
	}
	if len(shared) == 0 {
		shared = append(shared, "only-"+name)
	}
	return shared
}
