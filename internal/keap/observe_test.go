package keap

import (
	"context"
	"net/http"
	"testing"
	"time"

	"bridge/internal/quota"

	"github.com/google/go-cmp/cmp"
)

var testNow = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

// full are the headers of a first call of the day, as Keap's documentation and measurements show them.
func full() map[string]string {
	return map[string]string{
		"x-keap-product-quota-limit": "30000", "x-keap-product-quota-time-unit": "day", "x-keap-product-quota-interval": "1",
		"x-keap-product-quota-available": "29999", "x-keap-product-quota-used": "1", "x-keap-product-quota-expiry-time": "1795824000000",
		"x-keap-product-throttle-limit": "240", "x-keap-product-throttle-time-unit": "minute", "x-keap-product-throttle-interval": "1",
		"x-keap-product-throttle-available": "239", "x-keap-product-throttle-used": "1", "x-keap-product-spike-limit": "",
		"x-keap-tenant-id": "ab103.infusionsoft.com", "x-keap-tenant-throttle-limit": "10000|250000",
		"x-keap-tenant-throttle-time-unit": "minute|day", "x-keap-tenant-throttle-interval": "1|1",
		"x-keap-tenant-throttle-available": "9999|249999", "x-keap-tenant-throttle-used": "1|1",
		"date": "Fri, 27 Nov 2026 10:00:00 GMT",
	}
}

func headers(m map[string]string, changes ...string) http.Header {
	h := http.Header{}
	for k, v := range m {
		h.Set(k, v)
	}
	for i := 0; i < len(changes); i += 2 {
		h.Set(changes[i], changes[i+1])
	}
	return h
}

func TestObservation(t *testing.T) {
	reset := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	whole := quota.Observation{
		Sent: testNow, At: testNow, Status: 200, Date: testNow,
		Day:          quota.Reading{Known: true, Limit: 30000, Used: 1, Available: 29999, Resets: reset},
		Minute:       quota.Reading{Known: true, Limit: 240, Used: 1, Available: 239},
		TenantMinute: quota.Reading{Known: true, Limit: 10000, Used: 1, Available: 9999},
		TenantDay:    quota.Reading{Known: true, Limit: 250000, Used: 1, Available: 249999},
	}
	only := func(change func(*quota.Observation)) quota.Observation {
		o := whole
		change(&o)
		return o
	}
	for _, tc := range []struct {
		name string
		h    http.Header
		want quota.Observation
	}{
		{"full", headers(full()), whole},
		{"none", http.Header{}, quota.Observation{Sent: testNow, At: testNow, Status: 200}},
		{"epoch in seconds", headers(full(), "x-keap-product-quota-expiry-time", "1795824000"), whole},
		{"truncated epoch of the portal", headers(full(), "x-keap-product-quota-expiry-time", "158663200"),
			only(func(o *quota.Observation) { o.Day.Resets = time.Time{} })},
		{"blank numbers of an unauthenticated call", headers(full(), "x-keap-product-quota-limit", "", "x-keap-product-quota-used", " ", "x-keap-product-throttle-limit", "", "x-keap-tenant-throttle-limit", ""),
			quota.Observation{Sent: testNow, At: testNow, Status: 200, Date: testNow}},
		{"no numbers", headers(full(), "x-keap-product-quota-limit", "many", "x-keap-product-throttle-limit", "-1"),
			only(func(o *quota.Observation) { o.Day, o.Minute = quota.Reading{}, quota.Reading{} })},
		{"used alone", headers(full(), "x-keap-product-quota-available", "", "x-keap-product-quota-used", "30005"),
			only(func(o *quota.Observation) { o.Day.Used, o.Day.Available = 30005, 0 })},
		{"available alone", headers(full(), "x-keap-product-throttle-used", "", "x-keap-product-throttle-available", "40"),
			only(func(o *quota.Observation) { o.Minute.Used, o.Minute.Available = 200, 40 })},
		{"neither", headers(full(), "x-keap-product-throttle-used", "", "x-keap-product-throttle-available", ""),
			only(func(o *quota.Observation) { o.Minute = quota.Reading{} })},
		{"tenant windows the other way round", headers(full(), "x-keap-tenant-throttle-limit", "250000 | 10000", "x-keap-tenant-throttle-time-unit", "Day | Minute",
			"x-keap-tenant-throttle-used", "7|3", "x-keap-tenant-throttle-available", "249993|9997"),
			only(func(o *quota.Observation) {
				o.TenantDay.Used, o.TenantDay.Available, o.TenantMinute.Used, o.TenantMinute.Available = 7, 249993, 3, 9997
			})},
		{"tenant without units", headers(full(), "x-keap-tenant-throttle-time-unit", ""), whole},
		{"one tenant window", headers(full(), "x-keap-tenant-throttle-limit", "10000"),
			only(func(o *quota.Observation) { o.TenantDay = quota.Reading{} })},
		{"another interval", headers(full(), "x-keap-product-throttle-interval", "5"),
			only(func(o *quota.Observation) { o.Minute = quota.Reading{} })},
		{"another unit", headers(full(), "x-keap-product-throttle-time-unit", "hour"),
			only(func(o *quota.Observation) { o.Minute = quota.Reading{} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, observation(200, tc.h, testNow, testNow)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		header, date string
		want         time.Duration
	}{
		{"", "", 0}, {"0", "", 0}, {"-5", "", 0}, {"soon", "", 0}, {"NaN", "", 0}, {"7", "", 7 * time.Second}, {" 50400 ", "", 14 * time.Hour},
		{"1.5", "", 1500 * time.Millisecond}, {"1e300", "", 366 * 24 * time.Hour},
		{"Fri, 27 Nov 2026 10:01:00 GMT", "", time.Minute},
		{"Fri, 27 Nov 2026 10:01:00 GMT", "Fri, 27 Nov 2026 10:00:30 GMT", 30 * time.Second},
		{"Fri, 27 Nov 2026 09:00:00 GMT", "", 0}, {"Fri, 27 Nov 2099 09:00:00 GMT", "", 366 * 24 * time.Hour},
	} {
		o := observation(429, headers(nil, "retry-after", tc.header, "date", tc.date), testNow, testNow)
		if o.RetryAfter != tc.want {
			t.Errorf("%q with date %q: %s, want %s", tc.header, tc.date, o.RetryAfter, tc.want)
		}
	}
}

func TestThrottleWindow(t *testing.T) {
	spike := `{"fault":{"faultstring":"Spike arrest violation","detail":{"errorcode":"policies.ratelimit.SpikeArrestViolation"}}}`
	current := `{"code":"429","message":"Quota Exceeded","status":"Request Throttled","details":null}`
	older := `{"fault":{"faultstring":"Rate limit quota violation. Quota limit  exceeded. Identifier : _default","detail":{"errorcode":"policies.ratelimit.QuotaViolation"}}}`
	for _, tc := range []struct {
		name string
		h    http.Header
		body string
		want Window
		code string
	}{
		{"day", headers(full(), "x-keap-product-quota-available", "0"), current, WindowDay, ""},
		{"day and minute", headers(full(), "x-keap-product-quota-available", "0", "x-keap-product-throttle-available", "0"), current, WindowDay, ""},
		{"minute", headers(full(), "x-keap-product-throttle-available", "0"), current, WindowMinute, ""},
		{"tenant minute", headers(full(), "x-keap-tenant-throttle-available", "0|8"), current, WindowTenantMinute, ""},
		{"tenant day", headers(full(), "x-keap-tenant-throttle-available", "9|0"), current, WindowTenantDay, ""},
		{"second", headers(full()), current, WindowSecond, ""},
		{"second by its code", http.Header{}, spike, WindowSecond, "policies.ratelimit.SpikeArrestViolation"},
		{"nothing told", http.Header{}, older, WindowUnknown, "policies.ratelimit.QuotaViolation"},
		{"day alone told", headers(full(), "x-keap-product-throttle-limit", ""), current, WindowUnknown, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				for k, v := range tc.h {
					w.Header()[k] = v
				}
				w.Header().Set("Retry-After", "12")
				says(429, tc.body)(w, r)
			})
			e := asError(t, c.RemoveTags(context.Background(), "1", []string{"2"}))
			if e.Kind != KindThrottled || e.Throttle != tc.want || e.Code != tc.code || e.RetryAfter != 12*time.Second {
				t.Errorf("%+v", e)
			}
			if len(f.seen) != 1 || f.seen[0].Status != 429 || f.seen[0].RetryAfter != 12*time.Second {
				t.Errorf("observed %+v", f.seen)
			}
		})
	}
}

func FuzzQuotaHeaders(f *testing.F) {
	f.Add("30000", "1", "29999", "day", "1", "1795824000000", "7")
	f.Add("10000|250000", "1|", "|3", "minute|day", "1|1", "|", "Fri, 27 Nov 2026 10:01:00 GMT")
	f.Add("", " ", "x", "|||", "0", "-9223372036854775808", "1e999")
	f.Fuzz(func(t *testing.T, limit, used, available, unit, interval, expiry, retry string) {
		h := http.Header{}
		for _, family := range []string{"X-Keap-Product-Quota-", "X-Keap-Product-Throttle-", "X-Keap-Tenant-Throttle-"} {
			h.Set(family+"Limit", limit)
			h.Set(family+"Used", used)
			h.Set(family+"Available", available)
			h.Set(family+"Time-Unit", unit)
			h.Set(family+"Interval", interval)
			h.Set(family+"Expiry-Time", expiry)
		}
		h.Set("Retry-After", retry)
		o := observation(429, h, testNow, testNow)
		throttle(o, "")
		if o.RetryAfter < 0 || o.RetryAfter > 366*24*time.Hour {
			t.Errorf("Retry-After %q gives %s", retry, o.RetryAfter)
		}
		for _, r := range []quota.Reading{o.Day, o.Minute, o.TenantDay, o.TenantMinute} {
			if r.Known && (r.Limit <= 0 || r.Used < 0 || r.Available < 0) || !r.Known && r != (quota.Reading{}) {
				t.Errorf("%+v", r)
			}
			if !r.Resets.IsZero() && r.Resets.Year() < 2020 {
				t.Errorf("resets %s", r.Resets)
			}
		}
	})
}
