package console

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"bridge/internal/events"
	"bridge/test/office"
)

// What the console promises with 1,000,000 events stored. The benchmark says what breaks it, and fails for wrong answers only.
const (
	firstByteWithin = 50 * time.Millisecond
	pageWithin      = 200 * time.Millisecond
	pageWeight      = 100_000
)

// pagesOfStock names every page, filter, search and depth that people use, over a stocked office of so many events.
func pagesOfStock(o *office.Office, past int) []string {
	middle := office.Start.Add(-office.StockDays / 2 * 24 * time.Hour).Format(time.RFC3339)
	dayAfter := office.Start.Add(-(office.StockDays/2 - 1) * 24 * time.Hour).Format(time.RFC3339)
	failed, _ := o.Index.List(context.Background(), events.Filter{State: events.Failed}, 1, "")
	done, _ := o.Index.List(context.Background(), events.Filter{State: events.Done}, 1, "")
	groups, _ := o.Index.FailureGroups(context.Background(), "")
	paths := []string{"/", "/?account=default", "/failed", "/failed?account=second-shop", "/rules", "/sources", "/accounts", "/audit",
		"/events/" + failed.Rows[0].Key, "/events/" + done.Rows[0].Key, "/events/" + done.Rows[0].Key + "?plan=today",
		"/api/status", "/api/failures", "/api/rates", "/api/events?limit=500"}
	filters := []string{"", "state=done", "state=failed", "state=in_doubt", "state=parked", "state=waiting", "state=working", "state=discarded",
		"account=default", "account=old-shop", "account=old-shop&source=crm", "account=nobody", "source=forms", "type=lead.submitted", "type=never.sent",
		"reason=no_rule", "reason=tag.unknown", "reason=quota.day&account=third-shop", "state=failed&account=default&type=order.paid&source=shop",
		"since=24h", "until=" + middle, "since=" + middle + "&until=" + dayAfter, "state=parked&until=" + middle, "account=second-shop&state=done&until=" + middle,
		"state=waiting&since=" + middle, "account=old-shop&since=24h", "q=P-" + strconv.Itoa(past/2), "q=" + done.Rows[0].ID, "q=" + done.Rows[0].Key, "q=nothing-like-it",
		"q=p7@example.com", "contact=p" + strconv.Itoa(past/6) + "@example.com", "contact=p7@example.com&state=failed", "job=d20260101-000000-0000beef",
		"job=d20260101-000000-0000beef&until=" + middle, "state=failed&message=" + url.QueryEscape(groups[0].Message)}
	for _, f := range filters {
		paths = append(paths, "/events?"+f)
	}
	for _, deep := range []int{past * 9 / 10, past / 2, past / 100} { // a cursor names an event by its number in base 36
		for _, f := range []string{"", "state=done", "state=failed", "account=second-shop", "account=old-shop", "job=d20260101-000000-0000beef"} {
			paths = append(paths, "/events?"+f+"&cursor=before-"+strconv.FormatInt(int64(deep), 36))
		}
	}
	return paths
}

// load asks for a path and tells when its first byte came, when its last, and how long it is.
func load(tb testing.TB, client *http.Client, address string) (first, all time.Duration, size int) {
	tb.Helper()
	begun := time.Now()
	ctx := httptrace.WithClientTrace(tb.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Since(begun) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		tb.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %d, %v: %.300s", address, res.StatusCode, err, body)
	}
	return first, time.Since(begun), len(body)
}

// stockedServer serves a console over so many past events, and weighs style and script.
func stockedServer(tb testing.TB, past int) (o *office.Office, client *http.Client, address string, assets int) {
	tb.Helper()
	o = office.NewStocked(tb, past)
	c := New(Options{Desk: o.Desk})
	server := httptest.NewServer(c)
	client = &http.Client{Transport: &http.Transport{}}
	tb.Cleanup(func() {
		_ = c.Close()
		client.CloseIdleConnections()
		server.Close()
	})
	for _, name := range []string{"console.css", "console.js", "icon.svg"} {
		_, _, size := load(tb, client, server.URL+"/static/"+name)
		assets += size
	}
	return o, client, server.URL, assets
}

// BenchmarkStocked loads every page with many events stored (CONSOLE_EVENTS, 1,000,000 when unset): median and slowest time to
// the first and to the last byte, and the weight with style and script. What is late or heavy is said.
func BenchmarkStocked(b *testing.B) {
	past := 1_000_000
	if text := os.Getenv("CONSOLE_EVENTS"); text != "" {
		var err error
		if past, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	begun := time.Now()
	o, client, address, assets := stockedServer(b, past)
	b.Logf("%d events stocked in %s", past, time.Since(begun).Round(time.Second))
	for _, path := range pagesOfStock(o, past) {
		b.Run(strings.ReplaceAll(path, "/", "|"), func(b *testing.B) {
			var firsts, alls []time.Duration
			size := 0
			for b.Loop() {
				first, all, n := load(b, client, address+path)
				firsts, alls, size = append(firsts, first), append(alls, all), n
			}
			slices.Sort(firsts)
			slices.Sort(alls)
			b.ReportMetric(float64(firsts[len(firsts)/2].Microseconds())/1000, "ms-first")
			b.ReportMetric(float64(firsts[len(firsts)-1].Microseconds())/1000, "ms-first-max")
			b.ReportMetric(float64(alls[len(alls)/2].Microseconds())/1000, "ms-all")
			if !strings.HasPrefix(path, "/api/") {
				b.ReportMetric(float64(size+assets)/1024, "kB")
				if size+assets > pageWeight {
					b.Logf("heavier than %d bytes", pageWeight)
				}
			}
			if firsts[len(firsts)/2] > firstByteWithin || alls[len(alls)/2] > pageWithin {
				b.Logf("later than %s for the first byte or %s for all", firstByteWithin, pageWithin)
			}
		})
	}
}

// TestStocked loads every page over a long past once: each answers, none is heavier than it may be, and a walk through all
// pages meets every event once.
func TestStocked(t *testing.T) {
	stored := past(t)
	o, client, address, assets := stockedServer(t, stored)
	for _, path := range pagesOfStock(o, stored) {
		_, _, size := load(t, client, address+path)
		if !strings.HasPrefix(path, "/api/") && size+assets > pageWeight {
			t.Errorf("%s weighs %d bytes with style and script", path, size+assets)
		}
	}
	for _, f := range []events.Filter{{}, {State: events.Failed}, {Account: "old-shop"}, {Account: "default", Type: "lead.submitted", State: events.Done}} {
		total, last := 0, int64(0)
		for cursor := ""; ; {
			page, err := o.Index.List(t.Context(), f, 500, cursor)
			if err != nil {
				t.Fatal(err)
			}
			total += len(page.Rows)
			for _, row := range page.Rows {
				if at := int64(row.Seq); last != 0 && at >= last {
					t.Fatalf("%+v: event %d after %d", f, at, last)
				}
				last = int64(row.Seq)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		want := 0
		tallies, err := o.Index.Tallies(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range tallies {
			if (f.State == "" || f.State == y.State) && (f.Account == "" || f.Account == y.Account) && (f.Type == "" || f.Type == y.Type) {
				want += y.Events
			}
		}
		if total != want || total == 0 {
			t.Errorf("%+v: %d events on the pages, %d counted", f, total, want)
		}
	}
}
