package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/test/office"
)

func TestAPIEvents(t *testing.T) {
	d := newDesk(t, nil)
	var want []string
	for n := range 7 {
		want = append([]string{d.Fail(n, "ada@example.com").ID}, want...)
	}
	d.Succeed(office.Order(50, "default", "shop", "bob@example.com"), events.Normal)
	d.CaughtUp(t)

	var got []string
	for path, rounds := "/api/events?state=failed&limit=3", 0; ; rounds++ {
		var page struct {
			Events []events.Row
			Next   *string
		}
		d.answer(200, &page, "GET", path, "")
		for _, r := range page.Events {
			got = append(got, r.ID)
		}
		if page.Next == nil || rounds > 5 {
			break
		}
		path = "/api/events?state=failed&limit=3&cursor=" + *page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	for query, count := range map[string]int{
		"q=W-3": 1, "q=bob@example.com": 1, "contact=ADA@example.com": 7, "reason=tag.unknown&since=24h": 7, "until=2020-01-01": 0, "type=lead.submitted": 0, "source=shop&account=default": 8,
	} {
		var page struct{ Events []events.Row }
		if d.answer(200, &page, "GET", "/api/events?"+query, ""); len(page.Events) != count {
			t.Errorf("%s: %d events, want %d", query, len(page.Events), count)
		}
	}
	for _, bad := range []string{"state=fialed", "reason=x", "since=yesterday", "limit=-1", "limit=x", "cursor=-", "since=2026-01-02&until=2026-01-01"} {
		res, text := d.ask("GET", "/api/events?"+bad, "")
		if res.StatusCode != 400 || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", bad, res.StatusCode, text)
		}
	}
}

func TestAPIEvent(t *testing.T) {
	d := newDesk(t, withTokens)
	e := d.Fail(1, "ada@example.com")
	d.CaughtUp(t)
	var got struct {
		ID    string
		State events.State
		Event struct{ Data events.Data }
		Steps []struct {
			N        int
			Do       string
			State    string
			Calls    int
			Attempts []events.StepAttempt
		}
		Timeline []events.Change
		Served   []events.ServedCall
	}
	for _, id := range []string{e.ID, e.Key()} {
		d.answer(200, &got, "GET", "/api/events/"+id, "", bearer(operatorToken)...)
		if got.ID != e.ID || len(got.Steps) != 4 || got.Steps[0].State != "done" || got.Steps[0].Attempts[0].Status != 200 || got.Steps[1].Do != "tag" ||
			len(got.Timeline) != 1 || len(got.Served) != 1 || got.Event.Data.Contact.Email != "ada@example.com" {
			t.Errorf("event: %+v", got)
		}
	}
	d.answer(404, nil, "GET", "/api/events/nope", "", bearer(viewerToken)...)
	var plan planAnswer
	d.answer(200, &plan, "GET", "/api/events/"+e.ID+"/plan", "", bearer(viewerToken)...)
	if len(plan.Steps) != 4 || !plan.Steps[0].Done || len(plan.Calls) != 2 {
		t.Errorf("plan: %+v", plan)
	}
}

// TestViewersSeeNoPersonalData reads every answer as a viewer.
func TestViewersSeeNoPersonalData(t *testing.T) {
	d := newDesk(t, withTokens)
	e := d.Fail(1, "ada.lovelace@example.com")
	secretive := office.Order(2, "default", "shop", "ada.lovelace@example.com")
	secretive.Data.Raw = []byte(`{"note":"Lovelace"}`)
	d.Accept(secretive, events.Normal)
	d.Settle(office.State(secretive, events.Failed, events.FieldInvalid, "ada.lovelace@example.com is no address"))
	d.CaughtUp(t)
	var preview ops.Job
	d.answer(200, &preview, "POST", "/api/replays", `{"filter":{"state":"failed"},"dry_run":true}`, bearer(operatorToken)...)
	paths := []string{"/api/events", "/api/events/" + e.ID, "/api/events/" + secretive.ID, "/api/events/" + e.ID + "/plan", "/api/failures", "/api/jobs/" + preview.ID, "/api/jobs"}
	for _, r := range pageRoutes {
		if r.method == "GET" && r.path != "/live" {
			paths = append(paths, strings.NewReplacer("{id}", secretive.Key(), "{$}", "").Replace(r.path))
		}
	}
	for _, path := range paths {
		_, text := d.ask("GET", path, "", bearer(viewerToken)...)
		for _, personal := range []string{"lovelace", "+1555", "Lovelace"} {
			if strings.Contains(text, personal) {
				t.Errorf("a viewer reads %q at %s", personal, path)
			}
		}
	}
}

func TestAPIReplayAndDiscard(t *testing.T) {
	d := newDesk(t, withTokens)
	e := d.Fail(1, "ada@example.com")
	d.Fail(2, "bob@example.com")
	d.CaughtUp(t)
	var job ops.Job
	body := fmt.Sprintf(`{"ids":[%q],"dry_run":true}`, e.ID)
	d.answer(200, &job, "POST", "/api/replays", body, bearer(operatorToken)...)
	if job.Events != 1 || job.Calls != 2 || job.Skipped != 1 || job.ID == "" || len(job.Samples) != 1 {
		t.Errorf("dry run: %+v", job)
	}
	d.answer(200, &job, "POST", "/api/discards", `{"filter":{"state":"failed"}}`, bearer(operatorToken)...)
	if job.Events != 2 || job.Who != "olga" {
		t.Errorf("discard: %+v", job)
	}
	d.CaughtUp(t)
	var undone ops.Job
	d.answer(200, &undone, "POST", "/api/discards/"+job.ID+"/undo", "", bearer(operatorToken)...)
	d.CaughtUp(t)
	d.answer(200, &job, "GET", "/api/jobs/"+undone.ID, "", bearer(viewerToken)...)
	if job.Kind != ops.KindUndo || job.Events != 2 {
		t.Errorf("undo: %+v", job)
	}
	d.answer(200, &job, "POST", "/api/replays", `{"filter":{"reason":"tag.unknown"}}`, bearer(operatorToken)...)
	var page struct{ Events []events.Row }
	d.CaughtUp(t)
	if d.answer(200, &page, "GET", "/api/events?state=waiting", "", bearer(viewerToken)...); len(page.Events) != 2 {
		t.Errorf("waiting: %+v", page)
	}
	var audit struct{ Audit []events.AuditLine }
	d.answer(200, &audit, "GET", "/api/audit", "", bearer(viewerToken)...)
	var did []string
	for _, l := range audit.Audit {
		did = append(did, l.Who+" "+l.Action)
	}
	if diff := cmp.Diff([]string{"olga replay ended", "olga replay", "olga undo ended", "olga undo", "olga discard ended", "olga discard"}, did); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestAPIBadBodies(t *testing.T) {
	d := newDesk(t, nil)
	for body, want := range map[string]int{
		``: 415, `{`: 400, `[]`: 400, `{"idz":["x"]}`: 400, `{"ids":["x"]} {}`: 400, `{}`: 400, `{"ids":["nope"]}`: 404,
		`{"filter":{"state":"nope"}}`: 400, `{"filter":{"since":"soon"}}`: 400, `{"ids":["` + strings.Repeat("x", maxBody) + `"]}`: 413,
	} {
		res, text := d.ask("POST", "/api/replays", body)
		if res.StatusCode != want {
			t.Errorf("%.40s: %d, want %d: %s", body, res.StatusCode, want, text)
		}
		if strings.Contains(text, "goroutine") || strings.Contains(text, "ops.") || strings.Contains(text, "console.") {
			t.Errorf("%.40s tells inner details: %s", body, text)
		}
	}
	d.answer(415, nil, "POST", "/api/replays", `{}`, "Content-Type", "text/yaml")
	d.answer(405, nil, "DELETE", "/api/events", "")
}

// TestAPIInnerErrors holds that what failed inside stays inside.
func TestAPIInnerErrors(t *testing.T) {
	d := newDesk(t, nil)
	d.Fail(1, "ada@example.com")
	d.CaughtUp(t)
	d.Broken = errors.New("nats: connection to 10.1.2.3 lost")
	res, text := d.ask("POST", "/api/discards", `{"filter":{"state":"failed"}}`)
	if res.StatusCode != 500 || strings.Contains(text, "10.1.2.3") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if !strings.Contains(d.log.String(), "10.1.2.3") {
		t.Errorf("the log does not say why: %s", d.log)
	}
}

func TestAPIDoubtEraseAccounts(t *testing.T) {
	var configured []string
	d := newDesk(t, func(o *Options) {
		o.Configure = func(_ context.Context, account string, body []byte) error {
			if strings.Contains(string(body), "bad") {
				return errors.New("accounts/x.yaml:1:1: unknown key bad")
			}
			configured = append(configured, account+"="+string(body))
			return nil
		}
	})
	e, other := d.Doubt(1, "ada@example.com"), d.Doubt(2, "bob@example.com")
	d.CaughtUp(t)
	for body, want := range map[string]int{
		`{"id":"` + e.ID + `","step":4}`:                                                  400,
		`{"id":"` + e.ID + `","step":null,"happened":true}`:                               400,
		`{"id":"` + e.ID + `","step":1,"happened":true}`:                                  409,
		`{"id":"nope","step":1,"happened":true}`:                                          404,
		`{"id":"` + e.ID + `","step":4,"happened":true}`:                                  204,
		`{"id":"` + other.ID + `","step":"purchase/goal:shop/bought#1","happened":false}`: 204,
	} {
		d.answer(want, nil, "POST", "/api/doubts", body)
	}
	d.CaughtUp(t)
	if err := d.Desk.Backup(t.Context(), "bob", "/backups/monday"); err != nil {
		t.Fatal(err)
	}
	d.CaughtUp(t)
	var erased struct {
		Erased  int
		Remains []string
	}
	d.answer(200, &erased, "POST", "/api/erasures", `{"contact":"ada@example.com"}`)
	if erased.Erased != 1 || len(erased.Remains) != 1 || !strings.Contains(erased.Remains[0], "by bob /backups/monday") {
		t.Errorf("erased %+v", erased)
	}
	d.answer(400, nil, "POST", "/api/erasures", `{"contact":"ada"}`)

	d.answer(204, nil, "POST", "/api/accounts/default/pause", `{}`)
	var status ops.Status
	if d.answer(200, &status, "GET", "/api/status", ""); status.Accounts["default"].Paused == nil || status.Accounts["default"].Paused.Reason != events.Paused {
		t.Errorf("status: %+v", status)
	}
	d.answer(204, nil, "POST", "/api/accounts/default/resume", `{}`)
	d.answer(404, nil, "POST", "/api/accounts/nobody/pause", `{}`)

	d.answer(204, nil, "PUT", "/api/accounts/new", "app: ab123", "Content-Type", "application/yaml")
	text := d.answer(422, nil, "PUT", "/api/accounts/new", `{"bad":1}`)
	if !strings.Contains(text, "x.yaml:1:1") {
		t.Errorf("a mistake is told as %s", text)
	}
	d.answer(204, nil, "DELETE", "/api/accounts/new", "")
	if diff := cmp.Diff([]string{"new=app: ab123", "new="}, configured); diff != "" {
		t.Errorf("configured (-want +got):\n%s", diff)
	}
	var published struct{ Events []ops.Published }
	if d.answer(202, &published, "POST", "/api/events", `{"account":"default","source":"crm","events":[{"id":"1"},{"id":"2"}]}`); len(published.Events) != 2 {
		t.Errorf("published: %+v", published)
	}
	d.answer(400, nil, "POST", "/api/events", `{"account":"default","source":"crm","events":[]}`)
	if d.answer(202, &published, "POST", "/api/events", `{"account":"default","source":"crm","events":[{"id":"3"},{"id":"refuse"}]}`); published.Events[1].Status != ops.Refused {
		t.Errorf("published: %+v", published)
	}
	var refused problem
	if d.answer(422, &refused, "POST", "/api/events", `{"account":"default","source":"crm","events":[{"id":"refuse"}]}`); len(refused.Events) != 1 || !strings.Contains(refused.Detail, "no type") {
		t.Errorf("refused: %+v", refused)
	}
}

// TestStreamFilters: the stream takes every filter of lists.
func TestStreamFilters(t *testing.T) {
	d := newDesk(t, nil)
	d.answer(400, nil, "GET", "/api/events/stream?state=lost", "")
	ada, bob := office.Order(1, "default", "shop", "ada@example.com"), office.Order(2, "default", "shop", "bob@example.com")
	for _, f := range []events.Filter{{Contact: "ADA@example.com"}, {Q: "W-1"}, {Q: ada.ID}, {Message: "x"}, {Job: "x"}, {Contact: "ada@example.com", Q: "W-2"}} {
		d.Accept(ada, events.Normal)
		d.Accept(bob, events.Normal)
		d.CaughtUp(t)
		want := f.Message == "" && f.Job == "" && f.Q != "W-2"
		chosen, err := d.console.chosen(t.Context(), f, []events.Row{{Key: ada.Key()}, {Key: bob.Key()}})
		if err != nil || chosen[ada.Key()] != want || chosen[bob.Key()] {
			t.Errorf("%+v: %v, %v", f, chosen, err)
		}
	}
	row := events.Row{Account: "default", State: events.Failed, Received: ada.Received}
	for f, want := range map[events.Filter]bool{
		{}: true, {Account: "default", State: events.Failed}: true, {State: events.Done}: false, {Since: ada.Received}: true, {Since: ada.Received.Add(1)}: false, {Until: ada.Received}: false,
	} {
		if got := rowMatches(&row, &f); got != want {
			t.Errorf("%+v: %v", f, got)
		}
	}
}

// TestStream listens, filters, and ends with the console.
func TestStream(t *testing.T) {
	d := newDesk(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", d.server.URL+"/api/events/stream?state=failed", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := d.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("content type %q", kind)
	}
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || lines.Text() != ": listening" {
		t.Fatalf("begins with %q", lines.Text())
	}
	d.Succeed(office.Order(100, "default", "shop", "bob@example.com"), events.Normal)
	want := d.Fail(1, "ada@example.com").ID
	heard := false
	for !heard && lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && !strings.Contains(data, `"state":"waiting"`) {
			heard = strings.Contains(data, want)
			if !heard || !strings.Contains(data, `"state":"failed"`) {
				t.Errorf("not asked for: %s", data)
			}
		}
	}
	if !heard {
		t.Errorf("nothing was heard: %v", lines.Err())
	}
	if err := d.console.Close(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // ends
	}
	res2, _ := d.ask("GET", "/api/events/stream", "")
	if res2.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a closed console listens: %d", res2.StatusCode)
	}
}
