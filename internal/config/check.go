package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"bridge/internal/keap"
	"bridge/internal/rules"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

var (
	nameForm = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
	appForm  = regexp.MustCompile(`^[a-z]{2}[0-9]{3}$`)
)

// checker looks at what one part of a file says, once it is decoded. Paths are relative to the node.
type checker struct {
	d    *decoder
	node ast.Node
	warn *Mistakes
}

func (c *checker) below(path string) *checker {
	node, _ := c.d.find(c.node, path)
	return &checker{d: c.d, node: node, warn: c.warn}
}

// spot is the place of a path: of the key where a mapping or list stands behind it, otherwise of the value.
func (c *checker) spot(path string) place {
	node, key := c.d.find(c.node, path)
	switch plain(node).(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.SequenceNode, *ast.NullNode, *ast.AliasNode:
		if key != nil && path != "" {
			return placeOf(key)
		}
	}
	return placeOf(node)
}

// wrong reports a mistake, unless it only follows from what could not be decoded: the value itself, or a key or value
// right below it.
func (c *checker) wrong(path, text, hint string) {
	node, _ := c.d.find(c.node, path)
	if !c.d.brokenAt(node) {
		c.d.wrong(c.spot(path), text, hint)
	}
}

func (d *decoder) brokenAt(n ast.Node) bool {
	if len(d.broken) == 0 {
		return false
	}
	if d.broken[placeOf(n)] {
		return true
	}
	entries, _ := pairs(d.follow(n))
	return slices.ContainsFunc(entries, func(e *ast.MappingValueNode) bool {
		return d.broken[placeOf(e.Key)] || d.broken[placeOf(e.Value)]
	})
}

func (c *checker) warning(path, text, hint string) {
	p := c.spot(path)
	*c.warn = append(*c.warn, Mistake{File: c.d.file, Line: p.line, Column: p.column, Text: text, Hint: hint})
}

// rule reports a mistake of the rules at its place inside the text. Where the text came from a reference, it is not shown.
func (c *checker) rule(list string, m rules.Mistake) {
	node, _ := c.d.find(c.node, list+m.Path)
	node = c.d.follow(node)
	text, scalar := scalarText(node)
	if _, hidden := c.d.hidden[placeOf(node)]; scalar && hidden {
		c.d.wrong(placeOf(node), "the text that this reference stands for is no valid one (it is not shown)", "")
		return
	}
	if !scalar || m.Offset == 0 {
		c.wrong(list+m.Path, m.Text, m.Hint)
		return
	}
	c.d.wrong(inside(node, text, m.Offset), m.Text, m.Hint)
}

// account checks everything of an account but its rules, which need the rule sets of all files.
func (c *checker) account(name string, a *Account) {
	if !nameForm.MatchString(name) {
		c.wrong("", fmt.Sprintf("an account's name is 1 to 40 of a-z, 0-9 and -, not %s", shown(name)), "")
	}
	switch {
	case a.App == "":
		c.warning("", "account "+name+" has no app: its quota cannot be shared with other accounts of the same Keap application", "app: ab123")
	case !appForm.MatchString(a.App):
		c.wrong("app", fmt.Sprintf("a Keap application code is two letters and three digits, not %.40q", a.App), "it is the first part of the address: https://ab123.infusionsoft.com")
	}
	c.below("keap").credential(name, &a.Keap)
	c.limits(a)
	if a.Tags.Create != "" && !slices.Contains([]string{CreateNone, CreateLiteral, CreateAny}, a.Tags.Create) {
		c.wrong("tags.create", fmt.Sprintf("%.40q is none of none, literal, any", a.Tags.Create), "")
	}
	for _, id := range slices.Sorted(maps.Keys(a.ActionSets)) {
		c.actionSet(pathTo("action_sets", id), a.ActionSets[id])
	}
	for _, sku := range slices.Sorted(maps.Keys(a.Products)) {
		if a.Products[sku] == "" {
			c.wrong(pathTo("products", sku), "the product id is empty", "")
		}
	}
	for _, source := range slices.Sorted(maps.Keys(a.Sources)) {
		c.source(name, source, a.Sources[source])
	}
}

// credential checks what can be known of a credential without asking Keap.
func (c *checker) credential(account string, k *Keap) {
	if !k.LegacyKey.Empty() {
		c.wrong("legacy_key", "legacy API keys are disabled: Keap began to turn them off on 31 October 2024 and revoked the last in early 2025",
			"make a service account key in Keap under Settings > API and give it as service_account_key")
		return
	}
	given := []string{}
	if !k.ServiceAccountKey.Empty() {
		given = append(given, "service_account_key")
	}
	if !k.PersonalAccessToken.Empty() {
		given = append(given, "personal_access_token")
	}
	if k.OAuth2 != nil {
		given = append(given, "oauth2")
	}
	switch len(given) {
	case 0:
		c.wrong("", "account "+account+" has no credential for Keap", "keap: {service_account_key: ${env:KEAP_KEY}}")
		return
	case 1:
	default:
		c.wrong("", "one credential is expected, not "+strings.Join(given, " and "), "next_key is for the one that takes over")
		return
	}
	if k.OAuth2 != nil {
		c.oauth(k)
		return
	}
	for path, key := range map[string]secret.Text{given[0]: either(k.ServiceAccountKey, k.PersonalAccessToken), "next_key": k.NextKey} {
		if key.Empty() {
			continue
		}
		if err := keap.CheckKey(k.Kind(), key); err != nil {
			text, hint := keapWords(err)
			c.wrong(path, text, hint)
		}
	}
}

func either(a, b secret.Text) secret.Text {
	if a.Empty() {
		return b
	}
	return a
}

func (c *checker) oauth(k *Keap) {
	if k.OAuth2.ClientID == "" {
		c.wrong("oauth2", "client_id is missing", "")
	}
	if k.OAuth2.ClientSecret.Empty() {
		c.wrong("oauth2", "client_secret is missing", "")
	}
	if u := k.OAuth2.RedirectURL; u != "" && !webAddress(u) {
		c.wrong("oauth2.redirect_url", fmt.Sprintf("%.80q is no https:// address", u), "")
	}
	if !k.NextKey.Empty() {
		c.wrong("next_key", "next_key goes with a key or token; OAuth2 renews its tokens by itself", "")
	}
}

func (c *checker) limits(a *Account) {
	for _, w := range []struct {
		name  string
		value int
	}{{"second", a.Quota.Second}, {"minute", a.Quota.Minute}, {"day", a.Quota.Day}} {
		if node, _ := c.d.find(c.node, "quota"); w.value < 0 || w.value == 0 && has(node, w.name) {
			c.wrong("quota."+w.name, "a limit is at least 1", "")
		}
	}
	if a.Batch < 0 || a.Batch == 0 && has(c.node, "batch") {
		c.wrong("batch", "a call carries at least 1 contact", "")
	}
	if a.Tags.PerDay < 0 {
		c.wrong("tags.per_day", "must not be negative", "")
	}
	if r := a.Reserve; r != nil && r.Urgent+r.Normal > 0.9 {
		c.wrong("reserve", "the reserves come to more than 90%: nothing would be left for bulk work", "")
	}
}

func has(n ast.Node, name string) bool {
	entries, _ := pairs(n)
	return slices.ContainsFunc(entries, func(e *ast.MappingValueNode) bool { return keyText(e.Key) == name })
}

func (c *checker) actionSet(path string, s ActionSet) {
	for i, r := range s.ReplaceWith {
		at := fmt.Sprintf("%s.replace_with[%d]", path, i)
		given := 0
		for _, set := range []bool{r.Goal != nil, r.Tag != "", r.Sequence != nil} {
			if set {
				given++
			}
		}
		switch {
		case given != 1:
			c.wrong(at, "a replacement is one of goal, tag, sequence", "a list takes several")
		case r.Goal != nil && (r.Goal.Integration == "" || r.Goal.Call == ""):
			c.wrong(at, "a goal needs integration and call", "")
		case r.Sequence != nil && (r.Sequence.Automation == "" || r.Sequence.Sequence == ""):
			c.wrong(at, "a sequence needs automation and sequence", "")
		}
	}
}

func (c *checker) source(account, name string, s sources.Config) {
	path := pathTo("sources", name)
	if !nameForm.MatchString(name) {
		c.wrong(path, fmt.Sprintf("a source's name is 1 to 40 of a-z, 0-9 and -, not %s", shown(name)), "")
	}
	if s.Kind == "" {
		c.wrong(path, "kind is missing", "kind: woocommerce")
		return
	}
	_, mistakes := sources.New(name, account, s, SourceDeps())
	for _, m := range mistakes {
		at := path
		if m.Path != "" {
			at += "." + m.Path
		}
		c.wrong(at, m.Text, "")
	}
	for _, w := range sources.Warnings(s) {
		c.warning(path+"."+w.Path, w.Text, "")
	}
}

func (c *checker) notify(n *Notify) {
	if !webAddress(n.URL) {
		c.wrong("url", fmt.Sprintf("%.80q is no https:// address", n.URL), "")
	}
	if n.Secret.Empty() {
		c.wrong("", "secret is missing: messages are signed with it", "")
	}
	if len(n.On) == 0 {
		c.wrong("", "on is missing: what to tell about", "on: [bridge.failed, bridge.paused]")
	}
	for i, on := range n.On {
		if family, word, ok := strings.Cut(on, "."); on != "*" && (!ok || family == "" || word == "" || strings.Contains(strings.TrimSuffix(on, "*"), "*")) {
			c.wrong(fmt.Sprintf("on[%d]", i), fmt.Sprintf("%.40q is no event type or pattern", on), "bridge.failed, keap.*")
		}
	}
}

func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// pathTo is a path of two steps whose second is any name.
func pathTo(first, second string) string { return fmt.Sprintf("%s[%q]", first, second) }

// xmlrpcEnds is the end of Keap's XML-RPC, and with it of running action sets.
var xmlrpcEnds = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// actionSets warns of action sets that a rule runs and nothing replaces.
func (c *checker) actionSets(a *Account, sets map[string][]rules.Rule, now time.Time) {
	when := "XML-RPC has ended on 31 December 2026"
	if left := xmlrpcEnds.Sub(now); left > 0 {
		when = fmt.Sprintf("XML-RPC ends on 31 December 2026, in %s", count(int(left.Hours()/24), "day"))
	}
	for _, n := range a.Set.Named() {
		if n.Kind != rules.NamedActionSet || len(a.ActionSets[n.Name].ReplaceWith) > 0 {
			continue
		}
		c.warning(a.entry(n, sets), fmt.Sprintf("nothing replaces action set %.20s, and %s", n.Name, when),
			fmt.Sprintf("action_sets: {%.20s: {replace_with: {goal: {integration: …, call: …}}}}", n.Name))
	}
}

// entry is the path of what a rule names: in the account's own rule, or of the use of the set that the rule is from.
func (a *Account) entry(n rules.Named, sets map[string][]rules.Rule) string {
	for i := range a.Rules {
		r := &a.Rules[i]
		if r.Use == "" && r.Name == n.Rule {
			return fmt.Sprintf("rules[%d].%s", i, n.Path)
		}
		if slices.ContainsFunc(sets[r.Use], func(r rules.Rule) bool { return r.Name == n.Rule }) {
			return fmt.Sprintf("rules[%d].use", i)
		}
	}
	return "rules"
}
