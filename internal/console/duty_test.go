package console

import (
	"fmt"
	"strings"
	"testing"

	"bridge/internal/events"
	"bridge/test/office"
)

// dutyDesk is a console with logins over a long past, with a doubt that just came up.
func dutyDesk(t *testing.T) (d *desk, doubt events.Event) {
	t.Helper()
	d = newDeskOver(t, office.NewStocked(t, past(t)), withTokens)
	for n := range 40 {
		d.Fail(n, "ada@example.com")
	}
	doubt = d.Doubt(100, "carol@example.com")
	d.CaughtUp(t)
	return d, doubt
}

// past is how many events are stored before a test begins: 100,000, and few where that would take minutes. `make test` runs
// these tests once more without the race detector.
func past(t *testing.T) int {
	switch {
	case raced:
		t.Log("2,000 events instead of 100,000: the race detector is on")
		return 2000
	case testing.Short():
		return 10_000
	default:
		return 100_000
	}
}

// TestDuty is a night on duty in a real browser with 100,000 events stored: log in, read the overview, find an event with
// filters, open it, replay a failed group with its preview and progress, answer a doubt, pause and resume.
func TestDuty(t *testing.T) {
	b := openBrowser(t)
	d, doubt := dutyDesk(t)
	b.screen(1280, 900, false)

	b.load(d.server.URL + "/")
	b.write("input[name=token]", operatorToken)
	b.shoot("duty-1-login")
	b.click("main button")
	b.until("the overview says what needs a person", `location.pathname === "/" && /default: [\d,]+ events have failed/.test(document.querySelector(".needs").innerText)`)
	b.until("each account has a card with three gauges and a chart", `[...document.querySelectorAll("#cards > .card")].every((c) => /Not in the configuration/.test(c.innerText) || c.querySelectorAll("svg.gauge").length === 3 && c.querySelector("svg.chart"))`)
	b.shoot("duty-2-overview")

	b.load(d.server.URL + "/events")
	b.until("the newest events", `document.querySelectorAll("#rows tbody tr").length === 50`)
	b.click(`#next`)
	b.until("the next page", `/cursor=/.test(location.search) && document.querySelectorAll("#rows tbody tr").length === 50`)
	b.load(d.server.URL + "/events")
	eval[any](b, `(() => { document.querySelector(".filter").open = true; document.querySelector("select[name=state]").value = "failed"; document.querySelector("select[name=reason]").value = "tag.unknown"; })()`)
	b.click(`.filter form button`)
	b.until("only what was asked for", `[...document.querySelectorAll("#rows tbody tr")].length === 50 && [...document.querySelectorAll("#rows .badge")].every((e) => e.textContent === "failed")`)
	b.shoot("duty-3-filtered")
	b.press("j")
	b.until("a key goes through the list", `document.querySelector("tr.current a") === document.activeElement`)
	b.click(`tr.current a`)
	b.until("the event's story", `/^\/events\/[0-9a-f]{32}$/.test(location.pathname) && document.querySelectorAll(".timeline li").length >= 3`)
	b.shoot("duty-4-event")

	replayGroup(b, d)
	follow(b, d)

	b.load(d.server.URL + "/events/" + doubt.Key())
	b.shoot("duty-7-doubt")
	b.click(`button[name=happened][value=yes]`)
	b.until("the doubt is answered", `/The answer is taken/.test(document.querySelector(".notice").textContent)`)
	d.CaughtUp(t)

	b.load(d.server.URL + "/accounts")
	b.click(`form.buttons button`)
	b.until("it is paused", `/Paused by an operator/.test(document.querySelector(".standing").textContent)`)
	b.click(`form.buttons button`)
	b.until("it goes on", `/Up to date|Working/.test(document.querySelector(".standing").textContent)`)

	d.CaughtUp(t)
	b.load(d.server.URL + "/audit")
	text := b.text()
	for _, did := range []string{"replay", "resolve", "pause", "resume"} {
		if !strings.Contains(text, did) {
			t.Errorf("the audit does not show %q:\n%s", did, text)
		}
	}
	if c := b.complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %v", c)
	}
}

// replayGroup replays the group whose newest event failed last: preview with its calls, then progress to the end.
func replayGroup(b *browser, d *desk) {
	b.t.Helper()
	groups, err := d.Index.FailureGroups(b.t.Context(), "default")
	if err != nil {
		b.t.Fatal(err)
	}
	total := count(groups[0].Events)
	b.load(d.server.URL + "/failed?account=default")
	b.until("the largest group first", fmt.Sprintf(`document.querySelector(".group h2").textContent.startsWith(%q)`, total+" ×"))
	b.click(`.group a.button`)
	b.until("the preview", fmt.Sprintf(`document.querySelector("main h1").textContent === "Replay: preview" && document.querySelector("#act").textContent.includes("Replay %s events") &&
		document.querySelector(".calllist code") && /Through by about/.test(document.querySelector("#progress").textContent)`, total))
	b.shoot("duty-5-preview")
	b.click(`#act form button`)
	b.until("the job is done", fmt.Sprintf(`location.pathname.startsWith("/jobs/") && document.querySelector("#progress").textContent.includes("%s of %s") && document.querySelector("progress").position === 1`, total, total))
	b.shoot("duty-6-progress")
	d.CaughtUp(b.t)
}

// follow watches a list that follows by itself.
func follow(b *browser, d *desk) {
	b.t.Helper()
	b.load(d.server.URL + "/events?type=order.paid&state=waiting&account=default")
	late, other := office.Order(36_500, "default", "shop", "dora@example.com"), office.Order(36_501, "second-shop", "shop", "dora@example.com")
	d.Accept(other, events.Normal)
	d.Accept(late, events.Normal)
	b.until("a new event appears by itself", `document.getElementById("r-`+late.Key()+`")`)
	if eval[bool](b, `!!document.getElementById("r-`+other.Key()+`")`) {
		b.t.Error("an event of another account appears")
	}
}
