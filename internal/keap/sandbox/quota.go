package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// limits are calls per window; 0 is none.
type limits struct{ second, minute, day int }

// Keap's documented quotas by kind of credential (api-token-quota-and-usage-measurements), and of a tenant since
// 8 June 2026.
var (
	keyLimits    = limits{10, 240, 30_000}
	oauthLimits  = limits{25, 1_500, 150_000}
	tenantLimits = limits{0, 10_000, 250_000}
)

// bucket is the use that one key, OAuth2 client or tenant has made of its quota.
type bucket struct {
	app                 string
	second, minute, day window
	peaks               map[string]*peak // by the tenant that the credential belonged to
	caught              int              // uses by others that are counted
}

func newBucket(app string) *bucket {
	return &bucket{
		app:    app,
		second: window{span: time.Second}, minute: window{span: time.Minute},
		day:   window{span: 24 * time.Hour, shape: calendar},
		peaks: map[string]*peak{},
	}
}

// gates are the buckets that a call passes: Keap staff say that the spike limit holds per key even where minute
// and day are shared by the tenant, so second and product may be two buckets.
type gates struct {
	credential
	second, product, tenant *bucket
}

// gatesLocked finds or makes the buckets of a credential.
func (s *Server) gatesLocked(c credential, now time.Time) gates {
	name := "key:" + c.value
	own := keyLimits
	if c.client != "" {
		name, own = "client:"+c.client, oauthLimits
	}
	shared := name
	if s.settings.scope == "tenant" && c.client == "" {
		shared = "product:" + c.app
	}
	q := s.settings
	own = limits{orElse(q.second, own.second), orElse(q.minute, own.minute), orElse(q.day, own.day)}
	known := len(s.buckets)
	g := gates{
		credential: c,
		second:     s.bucketLocked(name, c.app),
		product:    s.bucketLocked(shared, c.app),
		tenant:     s.bucketLocked("tenant:"+c.app, c.app),
	}
	fresh := len(s.buckets) > known
	g.second.second.configure(own.second, q.shape, q.phase)
	minute := q.shape
	if minute == spike {
		minute = rolling // spike arrest is a policy of the second only
	}
	g.product.minute.configure(own.minute, minute, q.phase)
	g.product.day.configure(own.day, calendar, 0)
	g.tenant.minute.configure(orElse(q.tenantMinute, tenantLimits.minute), minute, q.phase)
	g.tenant.day.configure(orElse(q.tenantDay, tenantLimits.day), calendar, 0)
	if fresh {
		for _, b := range []*bucket{g.second, g.product, g.tenant} {
			b.catchUp(s.spent, now)
		}
	}
	return g
}

func (s *Server) bucketLocked(name, app string) *bucket {
	b, ok := s.buckets[name]
	if !ok {
		b = newBucket(app)
		s.buckets[name] = b
	}
	b.app = app // settings may have moved the credential
	return b
}

// catchUp counts what others have spent before the bucket was known.
func (b *bucket) catchUp(spent []elsewhere, now time.Time) {
	for ; b.caught < len(spent); b.caught++ {
		spent[b.caught].spend(b, now)
	}
}

func orElse(v *int, def int) int {
	if v != nil {
		return *v
	}
	return def
}

// closed says which windows are full: the call arrives above their limits.
type closed struct{ second, minute, day bool }

func (c closed) any() bool { return c.second || c.minute || c.day }

// admit lets one call pass and counts it, or says which windows refuse it. Refused calls are not counted as use; they are
// in the peaks, which show what a client asks for.
func (g gates) admit(now time.Time) closed {
	c := closed{
		second: !g.second.second.open(now),
		minute: !g.product.minute.open(now) || !g.tenant.minute.open(now),
		day:    !g.product.day.open(now) || !g.tenant.day.open(now),
	}
	g.second.peak().second.take(now)
	shared := g.product.peak()
	shared.minute.take(now)
	shared.day.take(now)
	if c.any() {
		return c
	}
	g.second.second.take(now, 1)
	g.product.minute.take(now, 1)
	g.product.day.take(now, 1)
	g.tenant.minute.take(now, 1)
	g.tenant.day.take(now, 1)
	return c
}

// reopens is how long until none of the closed windows is.
func (g gates) reopens(now time.Time, c closed) time.Duration {
	var wait time.Duration
	if c.second {
		wait = g.second.second.reopens(now)
	}
	if c.minute {
		wait = max(wait, g.product.minute.reopens(now), g.tenant.minute.reopens(now))
	}
	if c.day {
		wait = max(wait, g.product.day.reopens(now), g.tenant.day.reopens(now))
	}
	return wait
}

// peak is the one of the tenant that the bucket belongs to now.
func (b *bucket) peak() *peak {
	p := b.peaks[b.app]
	if p == nil {
		p = newPeak()
		b.peaks[b.app] = p
	}
	return p
}

// peak is the most calls, refused ones included, that any window of its length has seen, whatever the phase; days are UTC days.
type peak struct{ second, minute, day crest }

func newPeak() *peak {
	return &peak{
		second: crest{w: window{span: time.Second}},
		minute: crest{w: window{span: time.Minute}},
		day:    crest{w: window{span: 24 * time.Hour, shape: calendar}},
	}
}

// crest is the highest use that an unlimited window has had.
type crest struct {
	w    window
	most int
}

func (c *crest) take(now time.Time) {
	c.w.take(now, 1)
	c.most = max(c.most, c.w.used(now))
}

// Elsewhere is use of the quota by another integration.
type Elsewhere struct {
	Calls   int      `json:"calls"`
	App     string   `json:"app,omitempty"`     // one tenant; "": all
	Windows []string `json:"windows,omitempty"` // of second, minute, day; none: minute and day
}

// elsewhere is such use at its time, remembered for keys that have not called yet.
type elsewhere struct {
	Elsewhere
	at time.Time
}

// Elsewhere lets another integration make calls, at once: they use up the windows of minute and day, as far as these
// have room. It is felt whatever Settings.Quota.Scope says. The second is spared unless it is named, for its
// limit is one of single keys.
func (s *Server) Elsewhere(e Elsewhere) error {
	if e.Calls < 0 {
		return fmt.Errorf("elsewhere: calls is %d, want 0 or more", e.Calls)
	}
	for _, w := range e.Windows {
		if w != "second" && w != "minute" && w != "day" {
			return fmt.Errorf("elsewhere: window %q, want second, minute or day", w)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.nowLocked()
	s.spent = append(s.spent, elsewhere{e, now})
	for _, b := range s.buckets {
		b.catchUp(s.spent, now)
	}
	return nil
}

func (e elsewhere) spend(b *bucket, now time.Time) {
	if e.App != "" && e.App != b.app {
		return
	}
	names := e.Windows
	if len(names) == 0 {
		names = []string{"minute", "day"}
	}
	for name, w := range map[string]*window{"second": &b.second, "minute": &b.minute, "day": &b.day} {
		if !slices.Contains(names, name) || now.Sub(e.at) >= w.span {
			continue
		}
		if w.shape == calendar && w.slotOf(now) != w.slotOf(e.at) {
			continue
		}
		w.take(e.at, w.room(now, e.Calls))
	}
}

// headers are Keap's quota headers for a call through g (keap-api §3.4).
func (g gates) headers(now time.Time) []headerField {
	midnight := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	day, minute := gaugeOf(&g.product.day, now), gaugeOf(&g.product.minute, now)
	tm, td := gaugeOf(&g.tenant.minute, now), gaugeOf(&g.tenant.day, now)
	return quotaHeaders([]string{
		day.limit, day.left, day.used, strconv.FormatInt(midnight.UnixMilli(), 10),
		minute.limit, minute.left, minute.used,
		tm.limit + "|" + td.limit, tm.left + "|" + td.left, tm.used + "|" + td.used,
	}, g.app+".infusionsoft.com")
}

// gauge is a window as headers show it; a window without limit shows nothing.
type gauge struct{ limit, left, used string }

func gaugeOf(w *window, now time.Time) gauge {
	if w.limit == 0 {
		return gauge{}
	}
	used := w.used(now)
	return gauge{strconv.Itoa(w.limit), strconv.Itoa(max(0, w.limit-used)), strconv.Itoa(used)}
}

// quotaHeaders puts values into Keap's header names; units and intervals are there even when values are not.
func quotaHeaders(v []string, tenant string) []headerField {
	if v == nil {
		v = make([]string, 10)
	}
	return []headerField{
		{"x-keap-product-quota-limit", v[0]},
		{"x-keap-product-quota-time-unit", "day"},
		{"x-keap-product-quota-interval", "1"},
		{"x-keap-product-quota-available", v[1]},
		{"x-keap-product-quota-used", v[2]},
		{"x-keap-product-quota-expiry-time", v[3]},
		{"x-keap-product-throttle-limit", v[4]},
		{"x-keap-product-throttle-time-unit", "minute"},
		{"x-keap-product-throttle-interval", "1"},
		{"x-keap-product-throttle-available", v[5]},
		{"x-keap-product-throttle-used", v[6]},
		{"x-keap-product-spike-limit", ""},
		{"x-keap-tenant-id", tenant},
		{"x-keap-tenant-throttle-limit", v[7]},
		{"x-keap-tenant-throttle-time-unit", "minute|day"},
		{"x-keap-tenant-throttle-interval", "1|1"},
		{"x-keap-tenant-throttle-available", v[8]},
		{"x-keap-tenant-throttle-used", v[9]},
	}
}
