package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Settings change how the simulator behaves. A field left out (nil, "") keeps its value.
type Settings struct {
	Quota     *Quota         `json:"quota,omitempty"`
	LatencyMS *[2]int        `json:"latency_ms,omitempty"`  // least and most; default 0, 0
	Headers   string         `json:"headers,omitempty"`     // quota headers: full (default), blank, none
	On429     string         `json:"headers_429,omitempty"` // the same for refusals; "same" (default) as Headers
	Throttle  string         `json:"throttle,omitempty"`    // body of a 429: current (default) or apigee, its older form
	Retry     *bool          `json:"retry_after,omitempty"` // send Retry-After with a 429; default false
	XMLRPC    string         `json:"xmlrpc,omitempty"`      // up, brownout, gone; default up until 2026 ends, then gone
	Keys      map[string]Key `json:"keys,omitempty"`        // merged into those that are there
	Clock     Clock          `json:"clock,omitzero"`        // null: the real time again

	// What Keap's documents leave open, and habits that a client must bear.
	TagResults  string `json:"tag_results,omitempty"`   // v1 answer of applying tags: map (default), objects, entries, keys
	PageTokens  string `json:"page_tokens,omitempty"`   // v2 next_page_token: opaque (default) or url
	EndlessNext *bool  `json:"endless_next,omitempty"`  // v1 lists name a next page for ever; default false
	SearchLagMS *int   `json:"search_lag_ms,omitempty"` // new contacts cannot be searched for so long; default 0
	Duplicates  *bool  `json:"duplicates,omitempty"`    // concurrent upserts of one new contact each create it (needs latency); default false
	KnownOnly   *bool  `json:"known_only,omitempty"`    // goals, sequences, action sets, templates, products, owners must have been seeded; default false
}

// Quota overrides the documented limits of every kind of credential. 0 lifts a limit.
type Quota struct {
	Second       *int   `json:"second,omitempty"` // default 10, OAuth2 25
	Minute       *int   `json:"minute,omitempty"` // default 240, OAuth2 1,500
	Day          *int   `json:"day,omitempty"`    // default 30,000, OAuth2 150,000; UTC
	TenantMinute *int   `json:"tenant_minute,omitempty"`
	TenantDay    *int   `json:"tenant_day,omitempty"`
	Scope        string `json:"scope,omitempty"`    // key (default) or tenant: who shares minute and day
	Shape        string `json:"shape,omitempty"`    // rolling (default), calendar, spike
	PhaseMS      *int   `json:"phase_ms,omitempty"` // calendar: how far its windows lie after whole seconds and minutes
}

// Key is what the simulator knows of a credential.
type Key struct {
	App   string `json:"app,omitempty"`   // tenant; "": one of its own
	State string `json:"state,omitempty"` // ok (default) or revoked: answers 401
}

// Clock sets the simulator's time; it runs on from there. The zero value leaves it alone.
type Clock struct {
	Set bool
	At  time.Time // zero: the real time
}

// UnmarshalJSON reads an RFC 3339 time or null.
func (c *Clock) UnmarshalJSON(b []byte) error {
	c.Set = true
	if string(b) == "null" {
		c.At = time.Time{}
		return nil
	}
	return json.Unmarshal(b, &c.At)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (c Clock) MarshalJSON() ([]byte, error) {
	if c.At.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(c.At)
}

// settings are Settings in force.
type settings struct {
	second, minute, day     *int // nil: by kind of credential
	tenantMinute, tenantDay *int
	scope                   string
	shape                   shape
	phase                   time.Duration
	latency                 [2]time.Duration
	headers, headers429     string
	throttle                string
	retryAfter              bool
	xmlrpc                  string // "": by the calendar
	keys                    map[string]Key
	flags
}

// flags are the settings that handlers of a tenant read.
type flags struct {
	tagResults, pageTokens             string
	endlessNext, duplicates, knownOnly bool
	searchLag                          time.Duration
}

func defaultSettings() settings {
	return settings{
		scope: "key", shape: rolling, headers: "full", headers429: "same", throttle: "current", keys: map[string]Key{},
		flags: flags{tagResults: "map", pageTokens: "opaque"},
	}
}

// SetSettings applies the fields that are given; when one of them is wrong, none is applied.
func (s *Server) SetSettings(in Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.settings
	if err := out.apply(in); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	for value, k := range in.Keys {
		out.keys[value] = k
	}
	s.settings = out
	if in.Clock.Set {
		s.offset = 0
		if !in.Clock.At.IsZero() {
			s.offset = in.Clock.At.Sub(s.opts.Now())
		}
	}
	return nil
}

func (s *settings) apply(in Settings) error {
	for _, c := range []struct {
		field string
		to    *string
		value string
		may   []string
	}{
		{"headers", &s.headers, in.Headers, []string{"full", "blank", "none"}},
		{"headers_429", &s.headers429, in.On429, []string{"same", "full", "blank", "none"}},
		{"throttle", &s.throttle, in.Throttle, []string{"current", "apigee"}},
		{"xmlrpc", &s.xmlrpc, in.XMLRPC, []string{"up", "brownout", "gone"}},
		{"tag_results", &s.tagResults, in.TagResults, []string{"map", "objects", "entries", "keys"}},
		{"page_tokens", &s.pageTokens, in.PageTokens, []string{"opaque", "url"}},
	} {
		if err := choose(c.field, c.to, c.value, c.may...); err != nil {
			return err
		}
	}
	for value, k := range in.Keys {
		if k.State != "" && k.State != "ok" && k.State != "revoked" {
			return fmt.Errorf("keys: state of %s is %q, want ok or revoked", mask(value), k.State)
		}
	}
	if in.LatencyMS != nil {
		lo, hi := in.LatencyMS[0], in.LatencyMS[1]
		if lo < 0 || hi < lo {
			return fmt.Errorf("latency_ms is [%d, %d], want 0 ≤ least ≤ most", lo, hi)
		}
		s.latency = [2]time.Duration{milliseconds(lo), milliseconds(hi)}
	}
	if in.SearchLagMS != nil {
		s.searchLag = milliseconds(*in.SearchLagMS)
	}
	set(&s.retryAfter, in.Retry)
	set(&s.endlessNext, in.EndlessNext)
	set(&s.duplicates, in.Duplicates)
	set(&s.knownOnly, in.KnownOnly)
	if in.Quota != nil {
		return s.applyQuota(*in.Quota)
	}
	return nil
}

func (s *settings) applyQuota(q Quota) error {
	for _, c := range []struct {
		to    **int
		value *int
		name  string
	}{
		{&s.second, q.Second, "second"}, {&s.minute, q.Minute, "minute"}, {&s.day, q.Day, "day"},
		{&s.tenantMinute, q.TenantMinute, "tenant_minute"}, {&s.tenantDay, q.TenantDay, "tenant_day"},
	} {
		if c.value == nil {
			continue
		}
		if *c.value < 0 {
			return fmt.Errorf("quota.%s is %d, want 0 (no limit) or more", c.name, *c.value)
		}
		*c.to = new(*c.value)
	}
	if q.PhaseMS != nil {
		s.phase = milliseconds(*q.PhaseMS)
	}
	if err := choose("quota.scope", &s.scope, q.Scope, "key", "tenant"); err != nil {
		return err
	}
	return choose("quota.shape", (*string)(&s.shape), q.Shape, string(rolling), string(calendar), string(spike))
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func set(to, value *bool) {
	if value != nil {
		*to = *value
	}
}

func choose(field string, to *string, value string, may ...string) error {
	if value == "" {
		return nil
	}
	for _, m := range may {
		if value == m {
			*to = value
			return nil
		}
	}
	return fmt.Errorf("%s is %q, want one of %q", field, value, may)
}

// decodeControl reads a control body; a misspelt field is an error, so that no test believes in a setting that
// was never made.
func decodeControl(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one JSON document")
	}
	return nil
}
