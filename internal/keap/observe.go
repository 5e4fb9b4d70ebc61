package keap

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"bridge/internal/quota"
)

// observation reads the quota headers of any answer. It never fails: what is missing, blank or odd is unknown.
// Formats: keap-api facts, x-keap-product-* and the pipe-separated x-keap-tenant-* ("minute|day").
func observation(status int, h http.Header, sent, at time.Time) quota.Observation {
	o := quota.Observation{Sent: sent, At: at, Status: status, Date: headerDate(h)}
	o.RetryAfter = retryAfter(h, o.Date, at)
	for _, family := range []string{"X-Keap-Product-Quota-", "X-Keap-Product-Throttle-", "X-Keap-Tenant-Throttle-"} {
		for i, unit := range windowUnits(h, family) {
			r := reading(h, family, i)
			if !r.Known {
				continue
			}
			tenant := strings.Contains(family, "Tenant")
			switch {
			case unit == "day" && tenant:
				o.TenantDay = r
			case unit == "minute" && tenant:
				o.TenantMinute = r
			case unit == "day":
				o.Day = r
			case unit == "minute":
				o.Minute = r
			}
		}
	}
	return o
}

// windowUnits names the windows of a header family, in their order. Without a time-unit header the documented
// ones are taken: day for quota, minute for throttle, minute|day for the tenant.
func windowUnits(h http.Header, family string) []string {
	if given := h.Get(family + "Time-Unit"); strings.TrimSpace(given) != "" {
		units := strings.Split(strings.ToLower(given), "|")
		for i := range units {
			units[i] = strings.TrimSpace(units[i])
		}
		return units
	}
	switch family {
	case "X-Keap-Product-Quota-":
		return []string{"day"}
	case "X-Keap-Product-Throttle-":
		return []string{"minute"}
	}
	return []string{"minute", "day"}
}

// reading takes the i-th window of a family. An interval other than 1 is a window this package does not know.
func reading(h http.Header, family string, i int) quota.Reading {
	number := func(name string) (int, bool) {
		parts := strings.Split(h.Get(family+name), "|")
		if i >= len(parts) {
			return 0, false
		}
		n, err := strconv.Atoi(strings.TrimSpace(parts[i]))
		return n, err == nil && n >= 0
	}
	limit, hasLimit := number("Limit")
	used, hasUsed := number("Used")
	available, hasAvailable := number("Available")
	if interval, ok := number("Interval"); !hasLimit || limit == 0 || ok && interval != 1 {
		return quota.Reading{}
	}
	r := quota.Reading{Known: hasUsed || hasAvailable, Limit: limit, Used: used, Available: available}
	switch {
	case hasUsed && !hasAvailable:
		r.Available = max(0, limit-used)
	case hasAvailable && !hasUsed:
		r.Used = max(0, limit-available)
	}
	if r.Known {
		r.Resets = epoch(h.Get(family+"Expiry-Time"), i)
	}
	return r
}

// Epoch values above this are milliseconds: as seconds they would lie after the year 5000.
const maxEpochSeconds = 100_000_000_000

// epoch reads an instant given in epoch milliseconds, as observed, or in seconds. Values before 2020, like the
// truncated example on Keap's portal, are unknown.
func epoch(text string, i int) time.Time {
	parts := strings.Split(text, "|")
	if i >= len(parts) {
		return time.Time{}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(parts[i]), 10, 64)
	if err != nil {
		return time.Time{}
	}
	if n <= maxEpochSeconds {
		n *= 1000
	}
	t := time.UnixMilli(n).UTC()
	if t.Year() < 2020 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func headerDate(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// retryAfter reads Retry-After in both of its forms, seconds and a date. A date counts from the server's clock
// where its answer shows one. What lies in the past or cannot be read is 0.
func retryAfter(h http.Header, date, at time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if text == "" {
		return 0
	}
	const longest = 366 * 24 * time.Hour
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds > 0) {
			return 0
		}
		if seconds > longest.Seconds() {
			return longest
		}
		return time.Duration(seconds * float64(time.Second))
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if date.IsZero() {
		date = at
	}
	return min(max(0, until.Sub(date)), longest)
}

// throttle tells which window a 429 closed: the one that has nothing left. Where all that is shown has some left,
// it was the second, for which there are no headers.
func throttle(o quota.Observation, code string) Window {
	for _, w := range []struct {
		r quota.Reading
		w Window
	}{{o.Day, WindowDay}, {o.TenantDay, WindowTenantDay}, {o.TenantMinute, WindowTenantMinute}, {o.Minute, WindowMinute}} {
		if w.r.Known && w.r.Available <= 0 {
			return w.w
		}
	}
	if strings.Contains(code, "SpikeArrest") || o.Day.Known && o.Minute.Known {
		return WindowSecond
	}
	return WindowUnknown
}
