package sandbox

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const anyCall = "/crm/rest/v2/tags"

// clocked is a simulator whose clock the test moves.
func clocked(t *testing.T) (*Server, *time.Time) {
	t.Helper()
	now := morning
	s := New(Options{Now: func() time.Time { return now }, Seed: 1})
	s.mustSet(t, Settings{Keys: map[string]Key{testKey: {App: "ab123"}}})
	return s, &now
}

func TestQuotaWindows(t *testing.T) {
	for name, c := range map[string]struct {
		quota  Quota
		gap    time.Duration
		pass   int // of 15 calls
		second int // violations
		minute int
		day    int
	}{
		"documented second": {Quota{}, 0, 10, 5, 0, 0},
		"paced":             {Quota{}, 100 * time.Millisecond, 15, 0, 0, 0},
		"minute":            {Quota{Minute: new(4)}, time.Second, 4, 0, 11, 0},
		"day":               {Quota{Day: new(3)}, 7 * time.Second, 3, 0, 0, 12},
		"tenant minute":     {Quota{TenantMinute: new(5)}, time.Second, 5, 0, 10, 0},
		"tenant day":        {Quota{TenantDay: new(6)}, time.Second, 6, 0, 0, 9},
		"lifted":            {Quota{Second: new(0)}, 0, 15, 0, 0, 0},
		"calendar":          {Quota{Minute: new(4), Shape: "calendar"}, 7 * time.Second, 8, 0, 7, 0}, // 9 calls in the first minute, 6 in the next
		"spike":             {Quota{Shape: "spike"}, 50 * time.Millisecond, 8, 7, 0, 0},
		"spike, paced":      {Quota{Shape: "spike"}, 95 * time.Millisecond, 12, 3, 0, 0}, // a tenth of a gap is forgiven once
	} {
		t.Run(name, func(t *testing.T) {
			s, now := clocked(t)
			s.mustSet(t, Settings{Quota: &c.quota})
			pass := 0
			for range 15 {
				switch r := s.do(t, "GET", anyCall, ""); r.status {
				case 200:
					pass++
				case 429:
					if want := `{"code":"429","message":"Quota Exceeded","status":"Request Throttled","details":null}`; r.body != want {
						t.Fatalf("429 with %s, want %s", r.body, want)
					}
				default:
					t.Fatalf("status %d", r.status)
				}
				*now = now.Add(c.gap)
			}
			calls := s.Calls("ab123")
			if pass != c.pass {
				t.Errorf("%d passed, want %d", pass, c.pass)
			}
			if diff := cmp.Diff(Counts{c.second, c.minute, c.day}, calls.Violations); diff != "" {
				t.Errorf("violations: %s", diff)
			}
			if calls.Max.Day != 15 || calls.Total != 15 || calls.ByStatus["200"] != c.pass || calls.ByOperation["tags.list"] != 15 {
				t.Errorf("counted %+v", calls)
			}
		})
	}
}

func TestQuotaHeaders(t *testing.T) {
	s, _ := clocked(t)
	r := s.do(t, "GET", anyCall, "")
	for name, want := range map[string]string{
		"x-keap-product-quota-limit": "30000", "x-keap-product-quota-time-unit": "day", "x-keap-product-quota-interval": "1",
		"x-keap-product-quota-available": "29999", "x-keap-product-quota-used": "1", "x-keap-product-quota-expiry-time": "1795478400000",
		"x-keap-product-throttle-limit": "240", "x-keap-product-throttle-time-unit": "minute", "x-keap-product-throttle-interval": "1",
		"x-keap-product-throttle-available": "239", "x-keap-product-throttle-used": "1", "x-keap-product-spike-limit": "",
		"x-keap-tenant-id": "ab123.infusionsoft.com", "x-keap-tenant-throttle-limit": "10000|250000", "x-keap-tenant-throttle-time-unit": "minute|day",
		"x-keap-tenant-throttle-interval": "1|1", "x-keap-tenant-throttle-available": "9999|249999", "x-keap-tenant-throttle-used": "1|1",
		"X-Sandbox": "true", "Date": "Mon, 23 Nov 2026 09:00:00 GMT",
	} {
		if _, there := r.header[http.CanonicalHeaderKey(name)]; !there || r.header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, r.header.Get(name), want)
		}
	}
	s.mustSet(t, Settings{Headers: "blank"})
	r = s.do(t, "GET", anyCall, "")
	if r.header.Get("x-keap-product-quota-used") != "" || r.header.Get("x-keap-product-quota-time-unit") != "day" {
		t.Errorf("blank headers are %v", r.header)
	}
	s.mustSet(t, Settings{Headers: "none"})
	if r = s.do(t, "GET", anyCall, ""); r.header.Get("x-keap-product-quota-time-unit") != "" {
		t.Errorf("no headers are %v", r.header)
	}
}

func TestRefusalForms(t *testing.T) {
	s, _ := clocked(t)
	s.mustSet(t, Settings{Quota: &Quota{Minute: new(1)}, Retry: new(true), Throttle: "apigee", On429: "blank"})
	s.do(t, "GET", anyCall, "").want(t, 200)
	r := s.do(t, "GET", anyCall, "")
	if r.status != 429 || r.header.Get("Retry-After") != "60" || !strings.Contains(r.body, "policies.ratelimit.QuotaViolation") {
		t.Errorf("refused with %d %v %s", r.status, r.header, r.body)
	}
	if r.header.Get("x-keap-product-throttle-used") != "" {
		t.Errorf("headers of the refusal are %v, want blank ones", r.header)
	}
}

func TestScopes(t *testing.T) {
	const other = "KeapAK-other-9876543210"
	for scope, want := range map[string]int{"key": 200, "tenant": 429} {
		s, _ := clocked(t)
		s.mustSet(t, Settings{Keys: map[string]Key{other: {App: "ab123"}}, Quota: &Quota{Minute: new(2), Scope: scope}})
		s.do(t, "GET", anyCall, "").want(t, 200)
		s.do(t, "GET", anyCall, "").want(t, 200)
		if r := s.doAs(t, other, "GET", anyCall, ""); r.status != want {
			t.Errorf("scope %s: the second key of the tenant is answered %d, want %d", scope, r.status, want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	s, now := clocked(t)
	if err := s.Elsewhere(Elsewhere{Calls: 100, App: "ab123"}); err != nil { // before the key has ever called
		t.Fatal(err)
	}
	if r := s.do(t, "GET", anyCall, ""); r.header.Get("x-keap-product-quota-used") != "101" || r.header.Get("x-keap-product-throttle-used") != "101" {
		t.Errorf("used is %s and %s, want 101", r.header.Get("x-keap-product-quota-used"), r.header.Get("x-keap-product-throttle-used"))
	}
	if err := s.Elsewhere(Elsewhere{Calls: 29_999, Windows: []string{"day"}}); err != nil {
		t.Fatal(err)
	}
	if r := s.do(t, "GET", anyCall, ""); r.status != 429 || r.header.Get("x-keap-product-quota-available") != "0" || r.header.Get("x-keap-product-throttle-available") != "139" {
		t.Errorf("a used-up day answers %d with %v", r.status, r.header)
	}
	if m := s.Calls("").Max; m.Day != 2 {
		t.Errorf("max counts %d calls of the day, want 2: the others were not ours", m.Day)
	}
	*now = morning.Truncate(24 * time.Hour).Add(24 * time.Hour)
	s.do(t, "GET", anyCall, "").want(t, 200)
	if err := s.Elsewhere(Elsewhere{Calls: 1, Windows: []string{"week"}}); err == nil {
		t.Error("a window called week is taken")
	}
}

// TestClock: the time can be set, and the day ends where it says.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		s.mustSet(t, Settings{Clock: Clock{Set: true, At: time.Date(2026, 12, 31, 23, 59, 0, 0, time.UTC)}, Quota: &Quota{Day: new(1)}})
		s.do(t, "GET", anyCall, "").want(t, 200)
		if r := s.do(t, "GET", anyCall, ""); r.status != 429 {
			t.Errorf("above the day's limit: %d", r.status)
		}
		if err := sleep(t.Context(), time.Minute); err != nil {
			t.Fatal(err)
		}
		s.do(t, "GET", anyCall, "").want(t, 200)
		if r := s.doAs(t, "KeapAK-another-one", "POST", "/crm/xmlrpc/v1", xmlCall("ContactService.load", "", 1, []any{"Id"})); r.status != http.StatusGone {
			t.Errorf("XML-RPC answers %d in 2027, want 410", r.status)
		}
		s.mustSet(t, Settings{Clock: Clock{Set: true}})
		if got := s.Now(); !got.Equal(time.Now()) {
			t.Errorf("the clock is %v after it was given back, want %v", got, time.Now())
		}
	})
}

// TestLatencyInVirtualTime also shows that a day's worth of calls takes no real time.
func TestLatencyInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Seed: 7})
		s.mustSet(t, Settings{LatencyMS: &[2]int{150, 250}})
		var least, most time.Duration = time.Hour, 0
		for range 200 {
			began := time.Now()
			s.do(t, "GET", anyCall, "").want(t, 200)
			took := time.Since(began)
			least, most = min(least, took), max(most, took)
		}
		if least < 150*time.Millisecond || most > 250*time.Millisecond || most-least < 50*time.Millisecond {
			t.Errorf("calls took %v to %v, want 150 to 250 ms", least, most)
		}
		if m := s.Calls("").Max; m.Second != 7 && m.Second != 6 {
			t.Errorf("%d calls in a second, want 6 or 7", m.Second)
		}
	})
}

func TestOAuthQuota(t *testing.T) {
	s, _ := clocked(t)
	tokens := s.Issue("client", "ab123")
	req, err := http.NewRequest("GET", "http://keap.example.com"+anyCall, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+tokens.Access)
	r := s.send(req)
	for name, want := range map[string]int{"x-keap-product-quota-limit": 150_000, "x-keap-product-throttle-limit": 1_500} {
		if r.header.Get(name) != strconv.Itoa(want) {
			t.Errorf("%s is %s, want %d", name, r.header.Get(name), want)
		}
	}
}

// TestMaxFollowsTheKey asks for the figures of a tenant whose key belonged to another one before.
func TestMaxFollowsTheKey(t *testing.T) {
	s, now := clocked(t)
	s.do(t, "GET", anyCall, "").want(t, 200)
	s.do(t, "GET", anyCall, "").want(t, 200)
	*now = now.Add(time.Hour)
	s.mustSet(t, Settings{Keys: map[string]Key{testKey: {App: "xy999"}}})
	s.do(t, "GET", anyCall, "").want(t, 200)
	for app, want := range map[string]Counts{"ab123": {2, 2, 2}, "xy999": {1, 1, 1}, "": {2, 2, 2}} {
		if calls := s.Calls(app); calls.Max != want {
			t.Errorf("of %q the most were %+v, want %+v", app, calls.Max, want)
		}
	}
	if n := s.Calls("xy999").Total; n != 1 {
		t.Errorf("%d calls of the new tenant, want 1", n)
	}
}
