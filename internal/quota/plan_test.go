package quota

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// remembering makes a ledger that has seen so many days with so many calls of each class an hour, up to start.
func remembering(t interface{ Fatal(...any) }, limits Limits, days int, hourly [3]int) *Ledger {
	past := New(Config{})
	for hour := start.Truncate(24*time.Hour).AddDate(0, 0, -days); hour.Before(start); hour = hour.Add(time.Hour) {
		for c, n := range hourly {
			for range n {
				past.Take(hour, Class(c))
				past.Finished(hour)
			}
		}
	}
	var state []byte
	if err := past.Leave(context.Background(), start, func(_ context.Context, s []byte) error { state = s; return nil }); err != nil {
		t.Fatal(err)
	}
	l := New(Config{Limits: limits})
	if err := l.Restore(start, state); err != nil {
		t.Fatal(err)
	}
	l.reserves = false
	return l
}

// drain gives how many permits in a row class c gets at now when only the day counts.
func drain(l *Ledger, now time.Time, c Class, most int) int {
	for n := range most {
		if !l.Take(now, c).OK {
			return n
		}
		l.Finished(now)
	}
	return most
}

func TestForecastKeepsCallsForHigherClasses(t *testing.T) {
	limits := Limits{Day: 3000}
	l := remembering(t, limits, 14, [3]int{60, 20, 0}) // at 09:00 urgent work still needs 15 × 60, normal 15 × 20
	used := 9 * 80
	o := l.Outlook(start)
	if !o.Forecast || o.Expected[Urgent] < 880 || o.Expected[Urgent] > 920 || o.Expected[Normal] < 280 || o.Expected[Normal] > 320 {
		t.Fatalf("expected %v", o.Expected)
	}
	// 1.1 × 900 + 4 × √900 = 1110 for urgent work, 1.05 × 300 + 2 × √300 = 350 for normal.
	if bulk, want := drain(l, start, Bulk, 5000), limits.Day-used-1110-350; bulk < want-5 || bulk > want+5 {
		t.Errorf("bulk work gets %d calls, want %d", bulk, want)
	}
	if normal := drain(l, start, Normal, 5000); normal < 320 || normal > 355 {
		t.Errorf("normal work gets %d calls, want 350", normal)
	}
	if urgent := drain(l, start, Urgent, 5000); urgent < 1100 {
		t.Errorf("urgent work gets %d calls, want all the rest", urgent)
	}
}

func TestForecastFollowsTheDay(t *testing.T) {
	for _, test := range []struct {
		name      string
		today     int // calls an hour, where 60 are forecast
		low, high int // expected of the 12 hours left
	}{{"twice as much", 120, 1250, 1500}, {"as forecast", 60, 700, 740}, {"half", 30, 340, 450}, {"nothing", 0, 0, 130}} {
		l := remembering(t, Limits{Day: 30000}, 14, [3]int{60, 0, 0})
		l.plan.today = hours{}
		now := start.Truncate(24 * time.Hour)
		for range 12 {
			drain(l, now, Urgent, test.today)
			now = now.Add(time.Hour)
		}
		if e := l.Outlook(now).Expected[Urgent]; e < test.low || e > test.high {
			t.Errorf("%s: %d calls expected, want %d to %d", test.name, e, test.low, test.high)
		}
	}
}

func TestReserveOfTheFirstDay(t *testing.T) {
	l := New(Config{Limits: Limits{Day: 1000}, Reserve: Shares{Urgent: 0.2, Normal: 0.1}})
	midnight := start.Truncate(24 * time.Hour)
	o := l.Outlook(midnight)
	if o.Forecast || o.Expected[Urgent] != 200 || o.Expected[Normal] != 100 {
		t.Errorf("at midnight: %+v", o)
	}
	if o = l.Outlook(midnight.Add(18 * time.Hour)); o.Expected[Urgent] != 50 {
		t.Errorf("at 18:00: %+v", o)
	}
}

// TestShareOfTheNarrowerDay: what is kept for other classes is a share of the day that there is, and not of a wider one.
func TestShareOfTheNarrowerDay(t *testing.T) {
	l := New(Config{Limits: Limits{Day: 10_000, TenantDay: 1000}, Reserve: Shares{Urgent: 0.2, Normal: 0.1}})
	midnight := start.Truncate(24 * time.Hour)
	if o := l.Outlook(midnight); o.Expected[Urgent] != 200 || o.Expected[Normal] != 100 {
		t.Errorf("at midnight: %+v", o)
	}
	if bulk := drain(l, midnight, Bulk, 2000); bulk < 550 || bulk > 700 {
		t.Errorf("bulk work gets %d calls of 1000", bulk)
	}
}

// TestBurstOfTheFirstDayIsNoPace: after any burst of higher classes, at any time of the first day, what it left of the day
// is not all kept for more of the same.
func TestBurstOfTheFirstDayIsNoPace(t *testing.T) {
	for _, reserve := range []Shares{{}, {Urgent: 0.2, Normal: 0.1}} {
		for minutes := 0; minutes < 24*60; minutes += 7 {
			now := start.Truncate(24 * time.Hour).Add(time.Duration(minutes) * time.Minute)
			l := New(Config{Limits: Limits{Day: 30_000}, Reserve: reserve})
			l.Outlook(now)
			drain(l, now, Urgent, 2000)
			now = now.Add(time.Second)
			if drain(l, now, Normal, 1000) != 1000 || drain(l, now.Add(time.Second), Bulk, 500) != 500 {
				t.Fatalf("%s, reserve %+v: nothing is left for lower classes: %+v", now.Format(time.TimeOnly), reserve, l.Outlook(now))
			}
		}
	}
}

// TestBulkIsNotStarved: while normal work takes all that the plan leaves, bulk work gets a fiftieth.
func TestBulkIsNotStarved(t *testing.T) {
	l := remembering(t, Limits{Day: 5000}, 14, [3]int{100, 0, 0})
	l.Waiting([3]int{0, 5000, 5000})
	now, made := start, [3]int{}
	for range 1000 {
		order := []Class{Normal, Bulk}
		if l.BulkOwed() {
			order = []Class{Bulk, Normal}
		}
		for _, c := range order {
			if l.Take(now, c).OK {
				l.Finished(now)
				made[c]++
				break
			}
		}
		now = now.Add(time.Second)
	}
	if share := float64(made[Bulk]) / float64(made[Normal]+made[Bulk]); share < 0.02 || share > 0.022 {
		t.Errorf("bulk work got %d of %d", made[Bulk], made[Normal]+made[Bulk])
	}
	left := l.Outlook(now).Left
	if urgent := drain(l, now, Urgent, 5000); urgent != left {
		t.Errorf("urgent work gets %d of %d", urgent, left)
	}
}

// TestUrgentAlwaysFindsAPlace: with endless work of the lower classes, an urgent call waits for the gap to the one
// before and no longer, whenever it comes.
func TestUrgentAlwaysFindsAPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := New(Config{Limits: strict})
		l.Waiting([3]int{0, 0, 20000})
		now, end := start, start.Add(5*time.Minute)
		urgent := start.Add(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "first")) * time.Millisecond)
		for now.Before(end) {
			if !now.Before(urgent) {
				a := l.Take(now, Urgent)
				if !a.OK && a.At.Sub(urgent) > 250*time.Millisecond {
					t.Fatalf("an urgent call of %s waits until %s for the %s", urgent, a.At, a.Window)
				}
				if a.OK {
					urgent = now.Add(time.Duration(rapid.IntRange(5_000, 20_000).Draw(t, "pause")) * time.Millisecond)
				} else {
					now = a.At
				}
				continue
			}
			a := l.Take(now, Bulk)
			if !a.OK {
				now = a.At
				if now.After(urgent) {
					now = urgent
				}
			}
		}
		o := l.Outlook(end)
		if o.Day.Used < 5*233 {
			t.Fatalf("only %d calls in 5 minutes", o.Day.Used)
		}
	})
}

func TestETA(t *testing.T) {
	l := remembering(t, Limits{Second: 10, Minute: 240, Day: 30000}, 14, [3]int{100, 0, 0})
	o := l.Outlook(start)
	if !o.ETA[Bulk].IsZero() {
		t.Error("nothing waits, and it is said when it will be done")
	}
	l.Waiting([3]int{0, 0, 2350})
	if o = l.Outlook(start); o.ETA[Bulk].Sub(start) < 9*time.Minute || o.ETA[Bulk].Sub(start) > 13*time.Minute || o.Tomorrow[Bulk] != 0 {
		t.Errorf("2,350 calls at 235 a minute by %s", o.ETA[Bulk].Sub(start))
	}
	l.Waiting([3]int{0, 0, 60000})
	o = l.Outlook(start)
	// Today leaves 30,000 − 900 − 1,650 − 155, the days after 27,600 each: done on the day after tomorrow.
	from := start.Truncate(24*time.Hour).AddDate(0, 0, 2)
	if o.ETA[Bulk].Before(from) || o.ETA[Bulk].After(from.Add(time.Hour)) || o.Tomorrow[Bulk] < 32000 || o.Tomorrow[Bulk] > 33000 {
		t.Errorf("60,000 calls by %s, %d of them not today", o.ETA[Bulk], o.Tomorrow[Bulk])
	}
}
