package console

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"bridge/internal/events"
	"bridge/internal/ops"
	"bridge/test/office"
)

// overflow lists what sticks out of the page, or whose text sticks out of itself. (innerWidth would grow with it.)
const overflow = `[...document.querySelectorAll("body *")].filter((e) => { const r = e.getBoundingClientRect(); const s = getComputedStyle(e);
	return r.width > 1 && (r.right > document.documentElement.clientWidth + 1 || e.clientWidth > 1 && e.scrollWidth > e.clientWidth + 1 && s.overflowX === "visible") && s.position !== "absolute" && !e.parentElement.closest("pre") && !e.closest(".hidden, .skip, thead"); })
	.map((e) => e.tagName + "." + e.className + " " + Math.round(e.getBoundingClientRect().right) + " " + (e.textContent || "").trim().slice(0, 40))`

// faint lists text whose contrast with what is behind it is below 4.5 (3 for large text).
const faint = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data; return [d[0], d[1], d[2], d[3] / 255]; };
	const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3])).concat(1);
	const light = (c) => { const f = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
	const behind = (e) => { const layers = []; for (let n = e; n; n = n.parentElement) layers.push(rgba(getComputedStyle(n).backgroundColor)); return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]); };
	const bad = [];
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const text = walk.currentNode.textContent.trim(), e = walk.currentNode.parentElement;
		if (!text || !e.getClientRects().length || e.closest("title, .hidden, .skip, option, datalist")) continue;
		const style = getComputedStyle(e), back = behind(e);
		let alpha = 1; for (let n = e; n; n = n.parentElement) alpha *= parseFloat(getComputedStyle(n).opacity);
		const color = rgba(style.color); color[3] *= alpha;
		const a = light(over(color, back)), b = light(back);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && parseInt(style.fontWeight) >= 700;
		if (ratio < (large ? 3 : 4.5)) bad.push(ratio.toFixed(2) + " " + text.slice(0, 40));
	}
	return bad;
})()`

// overlapping lists controls and words that lie on others: of two that both show text, neither may begin inside the other.
const overlapping = `(() => {
	const shown = [...document.querySelectorAll("a, button, input:not([type=hidden]), select, h1, h2, h3, dt, dd, td, th, summary, .badge, label")]
		.filter((e) => { const r = e.getBoundingClientRect(); return r.width > 1 && r.height > 1 && e.checkVisibility() && !e.closest(".hidden, .skip, thead, svg"); });
	const bad = [];
	for (const [i, a] of shown.entries()) for (const b of shown.slice(i + 1, i + 60)) {
		if (a.contains(b) || b.contains(a)) continue;
		for (const p of a.getClientRects()) for (const q of b.getClientRects()) {
			const w = Math.min(p.right, q.right) - Math.max(p.left, q.left), h = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
			if (w > 2 && h > 2) bad.push(a.tagName + " " + a.textContent.trim().slice(0, 30) + " on " + b.tagName + " " + b.textContent.trim().slice(0, 30));
		}
	}
	return bad;
})()`

// unfocused lists controls that do not show when a key has brought the focus to them: an outline of two pixels at least,
// whose contrast with the page is 3 at least.
const unfocused = `(() => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const light = (c) => { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); const d = canvas.getImageData(0, 0, 1, 1).data;
		const f = [d[0], d[1], d[2]].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
	const page = light(getComputedStyle(document.body).backgroundColor), bad = [];
	for (const e of document.querySelectorAll("a, button, input:not([type=hidden]), select, summary, [tabindex='0']")) {
		if (!e.checkVisibility() || e.closest(".skip")) continue;
		e.focus({ focusVisible: true, preventScroll: true });
		const s = getComputedStyle(e), ring = light(s.outlineColor);
		const ratio = (Math.max(ring, page) + 0.05) / (Math.min(ring, page) + 0.05);
		if (document.activeElement !== e || s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 2 || ratio < 3)
			bad.push(e.tagName + " " + e.textContent.trim().slice(0, 30) + " " + s.outlineStyle + " " + s.outlineWidth + " " + ratio.toFixed(2));
	}
	document.activeElement?.blur();
	return bad;
})()`

// unnamed lists controls that a screen reader has no name for.
const unnamed = `[...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, progress, svg[role=img]")].filter((e) =>
	!(e.textContent.trim() || e.getAttribute("aria-label") || (e.labels && [...e.labels].some((l) => l.textContent.trim())) || e.querySelector?.("title"))).map((e) => e.outerHTML.slice(0, 80))`

// seedForLooks makes an office that has something of everything, with long names among it.
func seedForLooks(t *testing.T, d *desk) (key, doubt string) {
	t.Helper()
	count := 1500
	if text := os.Getenv("CONSOLE_EVENTS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for n := range count {
		e := office.Order(n*32_000/count, "default", "shop", fmt.Sprintf("p%d@example.com", n))
		e.ID = fmt.Sprintf("shop:order.paid:%d", 10_000+n)
		switch {
		case n%7 == 3:
			d.Accept(e, events.Bulk)
			parked := office.State(e, events.Parked, events.QuotaDay, "the day's calls are spent")
			until := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
			parked.Until = &until
			d.Settle(parked)
		case n%11 == 5:
			d.Accept(e, events.Normal)
		default:
			d.Succeed(e, events.Normal)
		}
	}
	for n := range 12 {
		e := d.Fail(33_000+n, "ada@example.com")
		key = e.Key()
	}
	long := office.Order(33_100, "default", "shop", "bob@example.com")
	long.ID = "shop:order.paid:" + strings.Repeat("0123456789abcdef", 6)
	d.Accept(long, events.Urgent)
	d.Settle(office.State(long, events.Failed, events.KeapRejected, "Keap answered 400: "+strings.Repeat("Unrecognized_property_in_the_request_body ", 4)))
	inDoubt := d.Doubt(33_200, "carol@example.com")
	doubt = inDoubt.Key()
	for i := range d.AccountList {
		if d.AccountList[i].Name == "default" {
			d.AccountList[i].Rate = 3.6
		}
	}
	d.AccountList = append(d.AccountList, ops.Account{Name: "second-shop", App: "xy789", Group: "xy789", Owner: "bridge-2", Ready: true, Rate: 3.9,
		ETA: time.Now().Add(80 * time.Minute), Quota: ops.Quota{Second: ops.Window{Limit: 10, Used: 9}, Minute: ops.Window{Limit: 240, Used: 236, Elsewhere: 12}, Day: ops.Window{Limit: 30000, Used: 24100, Elsewhere: 2300}}})
	for n := range 300 {
		d.Accept(office.Order(32_000+n, "second-shop", "forms", fmt.Sprintf("q%d@example.com", n)), events.Priority(n%3))
	}
	if err := d.Desk.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.CaughtUp(t)
	return key, doubt
}

// TestLooks opens every page in a real browser, wide and narrow, light and dark: nothing sticks out, everything can be
// read, every control has a name, and the browser complains of nothing.
func TestLooks(t *testing.T) {
	b := openBrowser(t)
	d := fullDesk(t)
	key, doubt := seedForLooks(t, d)
	var job ops.Job
	d.answer(200, &job, "POST", "/api/replays", `{"filter":{"state":"failed"},"dry_run":true}`)
	paths := append(pagesOf(key, job.ID), "/events/"+doubt, "/nothing")
	sizes := []struct {
		width, height int64
		dark          bool
	}{{1280, 900, false}, {380, 800, true}, {380, 800, false}, {1280, 900, true}}
	for _, size := range sizes {
		b.screen(size.width, size.height, size.dark)
		for _, path := range paths {
			name := fmt.Sprintf("%s %d dark=%v", path, size.width, size.dark)
			b.load(d.server.URL + path)
			eval[any](b, `document.querySelectorAll("main details").forEach((d) => { d.open = true; })`)
			b.press(kb.Tab) // from here on the browser shows focus as it does for people with a keyboard
			for what, expression := range map[string]string{"sticks out": overflow, "overlaps": overlapping, "is faint": faint, "has no name": unnamed, "hides its focus": unfocused} {
				found := eval[[]string](b, expression)
				for _, f := range found[:min(len(found), 5)] {
					t.Errorf("%s: %s: %s", name, what, f)
				}
			}
			plain := strings.NewReplacer(key, "event", doubt, "doubt", "jobs/"+job.ID, "job", "&job="+job.ID, "").Replace(path)
			b.shoot(fmt.Sprintf("%s-%d-%s", cmp.Or(strings.Trim(plain, "/"), "overview"), size.width, map[bool]string{true: "dark", false: "light"}[size.dark]))
		}
	}
	for _, c := range b.complaints() {
		if !strings.Contains(c, "404 (Not Found)") && !strings.Contains(c, "/nothing") {
			t.Errorf("the browser complains: %s", c)
		}
	}
}
