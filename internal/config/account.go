package config

import (
	"fmt"
	"strconv"
	"strings"

	"bridge/internal/keap"
	"bridge/internal/quota"
	"bridge/internal/rules"
	"bridge/internal/secret"
	"bridge/internal/sources"
)

// Account is one Keap account and what is done in it.
type Account struct {
	App        string                    `yaml:"app" pattern:"^[a-z]{2}[0-9]{3}$" doc:"Keap application code: two letters, three digits; accounts with the same one share a quota"`
	Keap       Keap                      `yaml:"keap" doc:"the credential: a service account key, a personal access token or OAuth2"`
	Quota      Quota                     `yaml:"quota" doc:"calls a second, minute and day; the credential's usual limits by default"`
	Reserve    *Reserve                  `yaml:"reserve" doc:"share of the day kept from lower priorities while there is no history to forecast from"`
	Batch      int                       `yaml:"batch" doc:"contacts that one call tags or puts into a sequence at most; 200 by default, less where Keap refuses the size"`
	Tags       Tags                      `yaml:"tags" doc:"which missing tags are created"`
	UserID     string                    `yaml:"user_id" doc:"Keap user for notes, tasks and e-mails that name none"`
	ActionSets map[string]ActionSet      `yaml:"action_sets" doc:"what each action set becomes when XML-RPC is gone, by its id"`
	Products   map[string]string         `yaml:"products" doc:"Keap product ids by SKU; other products are found by their SKU"`
	Sources    map[string]sources.Config `yaml:"sources" doc:"ways in, by name: /hooks/{account}/{source}"`
	Rules      []rules.Rule              `yaml:"rules" doc:"what events mean, in order; all that match apply"`

	Name string     `yaml:"-"`
	File string     `yaml:"-"` // where it is configured
	Set  *rules.Set `yaml:"-"` // Rules, compiled
}

// Keap is an account's credential; exactly one of the first three is given.
type Keap struct {
	ServiceAccountKey   secret.Text `yaml:"service_account_key" doc:"begins with KeapAK-"`
	PersonalAccessToken secret.Text `yaml:"personal_access_token"`
	OAuth2              *OAuth2     `yaml:"oauth2" doc:"bridge keys login obtains the tokens"`
	NextKey             secret.Text `yaml:"next_key" doc:"takes over when the first key is refused with 401"`
	LegacyKey           secret.Text `yaml:"legacy_key" doc:"refused: Keap has disabled legacy keys"`
}

// OAuth2 is an application registered with Keap.
type OAuth2 struct {
	ClientID     string      `yaml:"client_id"`
	ClientSecret secret.Text `yaml:"client_secret"`
	RedirectURL  string      `yaml:"redirect_url" doc:"as registered; BRIDGE_PUBLIC_URL/oauth by default, else http://127.0.0.1:8765/, where bridge keys login waits"`
}

// Kind is the kind of the credential.
func (k *Keap) Kind() keap.CredentialKind {
	switch {
	case k.OAuth2 != nil:
		return keap.OAuth
	case !k.PersonalAccessToken.Empty():
		return keap.PAT
	default:
		return keap.SAK
	}
}

// Quota is a limit of calls for each window; 0 is the usual one of the credential.
type Quota struct {
	Second int `yaml:"second" minimum:"1" doc:"smoothed"`
	Minute int `yaml:"minute" minimum:"1" doc:"any 60 seconds"`
	Day    int `yaml:"day" minimum:"1" doc:"until 00:00 UTC"`
}

// Reserve is the floor of what is kept of the day for a priority and those above it.
type Reserve struct {
	Urgent Percent `yaml:"urgent"`
	Normal Percent `yaml:"normal"`
}

// defaultReserve is kept where nothing is configured.
var defaultReserve = Reserve{Urgent: 0.20, Normal: 0.10}

// Percent is a share between 0 and 1, written 20%.
type Percent float64

// UnmarshalText reads 20%.
func (p *Percent) UnmarshalText(b []byte) error {
	digits, ok := strings.CutSuffix(strings.TrimSpace(string(b)), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if !ok || err != nil || n < 0 || n > 100 || n != n {
		return fmt.Errorf("a share such as 20%% is expected here, not %.20q", b)
	}
	*p = Percent(n / 100)
	return nil
}

// MarshalText writes 20%.
func (p Percent) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(p)*100, 'f', -1, 64) + "%"), nil
}

// Which missing tags are created.
const (
	CreateNone    = "none"    // none: the event fails
	CreateLiteral = "literal" // those whose names stand in a rule without {{ }}
	CreateAny     = "any"     // all, PerDay at most
)

// Tags says which tags are created that Keap does not have.
type Tags struct {
	Create string `yaml:"create" enum:"none,literal,any" doc:"literal (default): names without {{ }}"`
	PerDay int    `yaml:"per_day" minimum:"1" doc:"with any: so many a day; 50 by default"`
}

// ActionSet is what an action set of Keap becomes once XML-RPC is gone.
type ActionSet struct {
	Name        string        `yaml:"name" doc:"for people"`
	ReplaceWith []Replacement `yaml:"replace_with" doc:"one step or a list: goal, tag, sequence"`
}

// Replacement is one step instead of an action set; exactly one field is set.
type Replacement struct {
	Goal     *rules.Goal     `yaml:"goal"`
	Tag      string          `yaml:"tag"`
	Sequence *rules.Sequence `yaml:"sequence"`
}

// Notify is somebody who is told when something needs a person.
type Notify struct {
	URL    string      `yaml:"url"`
	Secret secret.Text `yaml:"secret" doc:"signs the message (Standard Webhooks)"`
	On     []string    `yaml:"on" doc:"event types or patterns: keap.*, bridge.failed, bridge.paused, bridge.source_silent, bridge.in_doubt"`
}

// Limits are the account's own limits: as configured, otherwise the usual ones of its credential, together with
// those of the tenant.
func (a *Account) Limits() quota.Limits {
	usual, tenant := keap.DefaultLimits(a.Keap.Kind()), keap.TenantLimits()
	or := func(configured, usual int) int {
		if configured > 0 {
			return configured
		}
		return usual
	}
	return quota.Limits{
		Second: or(a.Quota.Second, usual.Second), Minute: or(a.Quota.Minute, usual.Minute), Day: or(a.Quota.Day, usual.Day),
		TenantMinute: tenant.Minute, TenantDay: tenant.Day,
	}
}

// Shares is the account's reserve.
func (a *Account) Shares() quota.Shares {
	r := a.Reserve
	if r == nil {
		r = &defaultReserve
	}
	return quota.Shares{Urgent: float64(r.Urgent), Normal: float64(r.Normal)}
}

// CreateTags says which missing tags are created, and how many a day.
func (a *Account) CreateTags() (which string, perDay int) {
	which, perDay = a.Tags.Create, a.Tags.PerDay
	if which == "" {
		which = CreateLiteral
	}
	if perDay == 0 {
		perDay = 50
	}
	return which, perDay
}
