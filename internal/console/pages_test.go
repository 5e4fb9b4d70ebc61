package console

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/test/office"
)

// pagesOf lists a real address for every page.
func pagesOf(key, job string) []string {
	return []string{
		"/", "/?account=default", "/events", "/events?state=failed&account=default", "/events/" + key, "/events/" + key + "?plan=1", "/failed",
		"/jobs/" + job, "/preview?do=replay&state=failed&job=" + job, "/rules", "/rules?try=" + key, "/rules?try=nope", "/sources", "/accounts", "/audit",
	}
}

// TestPages loads every page and holds what is promised of all: weight, no style or script inside, a label for every
// field, one heading, a title, and a key in every form.
func TestPages(t *testing.T) {
	d := fullDesk(t)
	var key string
	for n := range 150 {
		e := d.Fail(n, "ada@example.com")
		d.Doubt(1000+n, "bob@example.com")
		d.Succeed(office.Order(5000+n, "default", "shop", "carol@example.com"), events.Normal)
		key = e.Key()
	}
	d.CaughtUp(t)
	var job ops.Job
	d.answer(200, &job, "POST", "/api/replays", `{"filter":{"state":"failed"},"dry_run":true}`)
	assets := 0
	for _, path := range []string{"/static/console.css", "/static/console.js", "/static/icon.svg"} {
		res, text := d.ask("GET", path, "")
		if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, res.StatusCode, res.Header.Get("Cache-Control"))
		}
		assets += len(text)
		if res, _ := d.ask("GET", path+"?v="+d.console.pages.stamp, ""); !strings.Contains(res.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s with its stamp: %s", path, res.Header.Get("Cache-Control"))
		}
	}
	for _, path := range pagesOf(key, job.ID) {
		t.Run(path, func(t *testing.T) {
			d.t = t
			res, text := d.ask("GET", path, "")
			if res.StatusCode != 200 {
				t.Fatalf("%d %s", res.StatusCode, text)
			}
			if weight := assets + len(text); weight > pageWeight {
				t.Errorf("weighs %d bytes", weight)
			}
			checkPage(t, text)
			csp := res.Header.Get("Content-Security-Policy")
			if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") {
				t.Errorf("policy %s", csp)
			}
		})
	}
}

var (
	inside1  = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:>|[^>]*>[^<])`)
	heading  = regexp.MustCompile(`<h1[ >]`)
	fields   = regexp.MustCompile(`<(?:input|select)[^>]*>`)
	postForm = regexp.MustCompile(`(?s)<form method="post".*?</form>`)
	outside  = regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	inLabel  = regexp.MustCompile(`(?s)<label[^>]*>.*?(?:</label>|$)`)
)

func checkPage(t *testing.T, text string) {
	t.Helper()
	if found := inside1.FindString(text); found != "" {
		t.Errorf("the policy forbids %q", found)
	}
	if found := outside.FindString(text); found != "" {
		t.Errorf("loads or links %q from elsewhere", found)
	}
	if n := len(heading.FindAllString(text, -1)); n != 1 {
		t.Errorf("%d headings of the first level", n)
	}
	labelled := strings.Join(inLabel.FindAllString(text, -1), "\n")
	for _, f := range fields.FindAllString(text, -1) {
		if !strings.Contains(f, `type="hidden"`) && !strings.Contains(labelled, f) && !strings.Contains(f, `id="find"`) {
			t.Errorf("no label: %s", f)
		}
	}
	for _, f := range postForm.FindAllString(text, -1) {
		if !regexp.MustCompile(`name="csrf" value="[0-9a-f]{48}"`).MatchString(f) {
			t.Errorf("no key: %s", f)
		}
	}
	if strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "%!") {
		t.Error("a template printed an error")
	}
}

// browse sends a form with a cookie and gives the answer.
func (d *desk) browse(method, path string, form url.Values, cookie *http.Cookie, headers ...string) (*http.Response, string) {
	headers = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"}, headers...)
	if cookie != nil {
		headers = append(headers, "Cookie", cookie.Name+"="+cookie.Value)
	}
	return d.ask(method, path, form.Encode(), headers...)
}

// login gives the cookie of a browser that is logged in, and the key of its forms.
func (d *desk) login(token string) (*http.Cookie, string) {
	d.t.Helper()
	res, text := d.browse("POST", "/login", url.Values{"token": {token}, "to": {"/audit"}}, nil)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/audit" || len(res.Cookies()) != 1 {
		d.t.Fatalf("login: %d %s", res.StatusCode, text)
	}
	cookie := res.Cookies()[0]
	_, page := d.browse("GET", "/", nil, cookie)
	m := regexp.MustCompile(`name="csrf" value="([0-9a-f]+)"`).FindStringSubmatch(page)
	if m == nil {
		d.t.Fatalf("no form on %s", page)
	}
	return cookie, m[1]
}

func TestLogin(t *testing.T) {
	d := newDesk(t, func(o *Options) { withTokens(o); o.Secure = true })
	res, _ := d.browse("GET", "/events?state=failed", nil, nil)
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != "/login?to=%2Fevents%3Fstate%3Dfailed" {
		t.Errorf("without login: %d to %s", res.StatusCode, to)
	}
	res, text := d.browse("POST", "/login", url.Values{"token": {"wrong"}}, nil)
	if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) != 0 || !strings.Contains(text, "not valid") {
		t.Errorf("wrong token: %d %s", res.StatusCode, text)
	}
	cookie, csrf := d.login(operatorToken)
	if !cookie.HttpOnly || !cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" {
		t.Errorf("cookie %+v", cookie)
	}
	if _, text := d.browse("GET", "/", nil, cookie); !strings.Contains(text, "olga (operator)") {
		t.Errorf("who: %s", text)
	}
	for name, tt := range map[string]struct {
		form    url.Values
		headers []string
		want    int
	}{
		"no key":           {url.Values{}, nil, 403},
		"wrong key":        {url.Values{"csrf": {strings.Repeat("0", 48)}}, nil, 403},
		"another site":     {url.Values{"csrf": {csrf}}, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"ours":             {url.Values{"csrf": {csrf}}, nil, 303},
		"ours, by a fetch": {url.Values{}, []string{"X-CSRF-Token", csrf}, 303},
	} {
		if res, text := d.browse("POST", "/accounts/default/pause", tt.form, cookie, tt.headers...); res.StatusCode != tt.want {
			t.Errorf("%s: %d, want %d: %s", name, res.StatusCode, tt.want, text)
		}
	}
	if res, text := d.ask("POST", "/api/accounts/default/resume", `{}`, "Cookie", cookie.Name+"="+cookie.Value); res.StatusCode != 403 {
		t.Errorf("the API with a cookie and no key: %d %s", res.StatusCode, text)
	}
	if res, _ := d.browse("POST", "/logout", url.Values{"csrf": {csrf}}, cookie); res.StatusCode != http.StatusSeeOther {
		t.Errorf("logout: %d", res.StatusCode)
	}
	if res, _ := d.browse("GET", "/", nil, cookie); res.StatusCode != http.StatusSeeOther {
		t.Errorf("after logout: %d", res.StatusCode)
	}
}

// TestLoginIsThrottled holds that guessing gets slow.
func TestLoginIsThrottled(t *testing.T) {
	d := newDesk(t, withTokens)
	throttled := 0
	for range 20 {
		res, _ := d.browse("POST", "/login", url.Values{"token": {"wrong"}}, nil)
		if res.StatusCode == http.StatusTooManyRequests {
			throttled++
			if res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if throttled < 9 {
		t.Errorf("%d of 20 attempts were refused", throttled)
	}
}

// TestSessionEnds holds that a cookie is worth nothing after its time, and that a flood of logins stays bounded.
func TestSessionEnds(t *testing.T) {
	s, now := newSessions(), time.Now()
	cookie := s.begin(Token{Role: Viewer, Name: "vera"}, false, now)
	r, err := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(cookie)
	if who, ok := s.of(r, now.Add(sessionLife-time.Minute)); !ok || who.name != "vera" {
		t.Errorf("%+v %v", who, ok)
	}
	if _, ok := s.of(r, now.Add(sessionLife+time.Second)); ok {
		t.Error("the session outlived its time")
	}
	for range 3 * maxSessions {
		s.begin(Token{}, false, now)
	}
	if len(s.byHash) > maxSessions {
		t.Errorf("%d sessions", len(s.byHash))
	}
}

func TestInside(t *testing.T) {
	for to, want := range map[string]string{
		"": "/", "/events?state=failed": "/events?state=failed", "https://evil.example.com/": "/", "//evil.example.com": "/", `/\evil.example.com`: "/", "javascript:alert(1)": "/", "events": "/",
	} {
		if got := inside(to); got != want {
			t.Errorf("inside(%q) = %q, want %q", to, got, want)
		}
	}
}

// TestChangeByPages goes the way of a person: a failed group, its preview, the replay, its job; a discard and its undo;
// a doubt.
func TestChangeByPages(t *testing.T) {
	d := newDesk(t, nil)
	d.Fail(1, "ada@example.com")
	d.Fail(2, "bob@example.com")
	doubt := d.Doubt(3, "carol@example.com")
	d.CaughtUp(t)
	key := url.Values{"csrf": {d.console.formKey}}
	_, text := d.browse("GET", "/failed", nil, nil)
	if !strings.Contains(text, "2 × the tag is not in Keap") || !strings.Contains(text, "1 × a step may have happened") {
		t.Fatalf("groups: %s", text)
	}
	discard := html.UnescapeString(regexp.MustCompile(`/preview\?[^"]*do=discard[^"]*state=failed`).FindString(text))
	res, text := d.browse("GET", discard, nil, nil)
	preview := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.Contains(preview, "job=") {
		t.Fatalf("%s: %d %s", discard, res.StatusCode, text)
	}
	_, text = d.browse("GET", preview, nil, nil)
	if !strings.Contains(text, "Discard 2 events") {
		t.Fatalf("preview: %s", text)
	}
	form := url.Values{"csrf": key["csrf"]}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`).FindAllStringSubmatch(text, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	if res, _ := d.browse("POST", "/changes", url.Values{"do": {"discard"}, "state": {"failed"}}, nil); res.StatusCode != 403 {
		t.Errorf("a form without a key: %d", res.StatusCode)
	}
	res, text = d.browse("POST", "/changes", form, nil)
	job := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(job, "/jobs/") {
		t.Fatalf("discard: %d %s", res.StatusCode, text)
	}
	d.CaughtUp(t)
	if _, text = d.browse("GET", job, nil, nil); !strings.Contains(text, "Undo this discard") || !strings.Contains(text, "2 of 2") {
		t.Errorf("job: %s", text)
	}
	if res, text = d.browse("POST", job+"/undo", key, nil); res.StatusCode != http.StatusSeeOther {
		t.Errorf("undo: %d %s", res.StatusCode, text)
	}
	d.CaughtUp(t)
	if _, text := d.browse("GET", "/failed", nil, nil); !strings.Contains(text, "2 × the tag is not in Keap") {
		t.Errorf("after undo: %s", text)
	}
	_, text = d.browse("GET", "/events/"+doubt.Key(), nil, nil)
	if !strings.Contains(text, "did step 4 happen?") {
		t.Errorf("doubt: %s", text)
	}
	answer := url.Values{"csrf": key["csrf"], "id": {doubt.Key()}, "step": {"purchase/goal:shop/bought#1"}, "happened": {"yes"}}
	if res, text := d.browse("POST", "/doubts", answer, nil); res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "notice=answered") {
		t.Errorf("answer: %d %s", res.StatusCode, text)
	}
	erase := url.Values{"csrf": key["csrf"], "contact": {"ada@example.com"}, "again": {"ada@example.org"}}
	if res, _ := d.browse("POST", "/erasures", erase, nil); res.StatusCode != 400 || len(d.Erased) != 0 {
		t.Errorf("two addresses: %d", res.StatusCode)
	}
	erase.Set("again", "ada@example.com")
	if res, _ := d.browse("POST", "/erasures", erase, nil); res.StatusCode != http.StatusSeeOther || len(d.Erased) != 1 {
		t.Errorf("erase: %d, %v", res.StatusCode, d.Erased)
	}
}

// TestHostileText holds that what senders write stays text.
func TestHostileText(t *testing.T) {
	d := newDesk(t, nil)
	e := office.Order(1, "default", `"><script>alert(1)</script>`, "ada@example.com")
	e.Type = `<img src=x onerror=alert(1)>`
	e.Data.Contact.FirstName = "</pre><script>alert(1)</script>"
	d.Accept(e, events.Normal)
	d.Settle(office.State(e, events.Failed, events.KeapRejected, `<b onclick="x">no</b>`))
	d.CaughtUp(t)
	for _, path := range []string{"/", "/events", "/events/" + e.Key(), "/failed", "/events?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/rules?try=%3Cscript%3E", "/%3Cscript%3E"} {
		_, text := d.browse("GET", path, nil, nil)
		if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img src") || strings.Contains(text, "<b onclick") {
			t.Errorf("%s lets markup through", path)
		}
	}
}

func TestProblemPages(t *testing.T) {
	d := newDesk(t, nil)
	for path, want := range map[string]int{"/nothing": 404, "/events/nope": 404, "/jobs/nope": 404, "/events?state=x": 400, "/preview?do=dance": 400, "/preview?do=replay": 400} {
		res, text := d.browse("GET", path, nil, nil)
		if res.StatusCode != want || !strings.Contains(text, "<h1>") {
			t.Errorf("%s: %d, want %d: %s", path, res.StatusCode, want, text)
		}
	}
	if res, _ := d.ask("DELETE", "/events", ""); res.StatusCode != 405 || res.Header.Get("Allow") != "GET" {
		t.Errorf("DELETE /events: %d %s", res.StatusCode, res.Header.Get("Allow"))
	}
}

// TestEveryWordIsKnown holds that each state and reason is said in words, with a hint.
func TestEveryWordIsKnown(t *testing.T) {
	for _, s := range events.States {
		if stateWords[s] == "" {
			t.Errorf("no word for %q", s)
		}
	}
	for _, r := range events.Reasons {
		if w := reasonWords[r]; w.text == "" || w.hint == "" {
			t.Errorf("no words for %q", r)
		}
	}
}

func TestStanding(t *testing.T) {
	now := time.Date(2026, 8, 3, 21, 0, 0, 0, time.UTC)
	midnight := now.Add(3 * time.Hour)
	for want, a := range map[string]ops.AccountStatus{
		"ok Up to date": {Ready: true},
		"wait Waiting for the day's quota, resumes 00:00 UTC (in 3 h)":                            {Ready: true, Paused: &ops.Pause{Reason: events.QuotaDay, Until: &midnight}},
		"wait Waiting: Keap asked to slow down":                                                   {Ready: true, Paused: &ops.Pause{Reason: events.Throttled}},
		"bad Not in the configuration: its events wait until it is there again, or are discarded": {Removed: true},
		"bad Keap refuses the credential":                                                         {Paused: &ops.Pause{Reason: events.Unauthorized}},
		"wait Paused by an operator":                                                              {Ready: true, Paused: &ops.Pause{Reason: events.Paused}},
		"ok Working, 3.5 calls/s, through by 00:00 UTC (in 3 h)":                                  {Ready: true, Rate: 3.5, Backlog: ops.Backlog{Bulk: 4000}, ETA: &midnight},
		"bad Not ready: no process works it, or its credential does not work":                     {Backlog: ops.Backlog{Bulk: 1}},
	} {
		if text, level := standing(a, now); level+" "+text != want {
			t.Errorf("%q, want %q", level+" "+text, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s", n, got)
		}
	}
	for f, want := range map[float64]string{0: "0.0", 3.94: "3.9", 99.94: "99.9", 99.96: "100", 2351.4: "2,351"} {
		if got := decimal(f); got != want {
			t.Errorf("decimal(%v) = %s", f, got)
		}
	}
	for d, want := range map[time.Duration]string{time.Millisecond: "1 ms", 90 * time.Second: "1 min", 90 * time.Minute: "1 h 30 min", 26 * time.Hour: "26 h", 72 * time.Hour: "3 days"} {
		if got := span(-d); got != want {
			t.Errorf("span(%s) = %s", d, got)
		}
	}
	if got := fmt.Sprint(when((*time.Time)(nil), now)); !strings.Contains(got, "never") {
		t.Errorf("when(nil) = %s", got)
	}
}
