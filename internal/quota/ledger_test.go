package quota

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)

// server counts as Keap's gateway might: it refuses what is over a limit, in windows of a shape and phase of its own.
type server struct {
	shape  string // rolling, calendar, spike
	phase  time.Duration
	limits Limits
	calls  []time.Time // accepted, ascending
	others []time.Time

	refused                         int
	maxSecond, maxMinute, maxDayAll int
}

func (s *server) window(at time.Time, span time.Duration) time.Time {
	if s.shape == "calendar" {
		return at.Add(s.phase).Truncate(span).Add(-s.phase)
	}
	return at.Add(-span + 1)
}

func count(calls []time.Time, from, to time.Time) int {
	n := 0
	for i := len(calls) - 1; i >= 0 && !calls[i].Before(from); i-- {
		if !calls[i].After(to) {
			n++
		}
	}
	return n
}

func (s *server) all(from, to time.Time) int {
	return count(s.calls, from, to) + count(s.others, from, to)
}

// call takes one call and gives what the headers say.
func (s *server) call(at time.Time) (ok bool, minute, day Reading) {
	today := at.UTC().Truncate(24 * time.Hour)
	minuteUsed, dayUsed := s.all(s.window(at, time.Minute), at), s.all(today, at)
	second := s.all(s.window(at, time.Second), at) < s.limits.Second
	if s.shape == "spike" {
		n := len(s.calls)
		second = n == 0 || at.Sub(s.calls[n-1]) >= time.Second/time.Duration(s.limits.Second)
	}
	ok = second && minuteUsed < s.limits.Minute && dayUsed < s.limits.Day
	if ok {
		s.calls = append(s.calls, at)
		minuteUsed, dayUsed = minuteUsed+1, dayUsed+1
	} else {
		s.refused++
	}
	s.maxSecond = max(s.maxSecond, count(s.calls, at.Add(-time.Second+1), at))
	s.maxMinute = max(s.maxMinute, count(s.calls, at.Add(-time.Minute+1), at))
	s.maxDayAll = max(s.maxDayAll, count(s.calls, today, at))
	read := func(limit, used int) Reading {
		return Reading{Known: true, Limit: limit, Used: used, Available: max(0, limit-used)}
	}
	minute, day = read(s.limits.Minute, minuteUsed), read(s.limits.Day, dayUsed)
	day.Resets = today.Add(24 * time.Hour)
	return ok, minute, day
}

// spend takes permits at full speed between two times, each call reaching the server jitter later, and gives the
// grants.
func spend(t *rapid.T, l *Ledger, s *server, from, to time.Time) []time.Time {
	var grants []time.Time
	for now := from; now.Before(to); {
		a := l.Take(now, Urgent)
		if a.Window == Unsaved {
			if err := l.Reserve(context.Background(), now, func(context.Context, []byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !a.OK {
			if !a.At.After(now) {
				t.Fatalf("at %s: closed by %s until %s, which is not later", now, a.Window, a.At)
			}
			now = a.At
			continue
		}
		grants = append(grants, now)
		sent := now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "jitter")) * time.Millisecond)
		ok, minute, day := s.call(sent)
		o := Observation{Sent: sent, At: sent.Add(3 * time.Millisecond), Status: 200, Date: sent.Truncate(time.Second), Minute: minute, Day: day}
		if !ok {
			o.Status = 429
		}
		now = o.At
		l.Observe(o)
		l.Finished(now)
	}
	return grants
}

func anyServer(t *rapid.T, limits Limits) *server {
	return &server{
		shape:  rapid.SampledFrom([]string{"rolling", "calendar", "spike"}).Draw(t, "shape"),
		phase:  time.Duration(rapid.IntRange(0, 59_999).Draw(t, "phase")) * time.Millisecond,
		limits: limits,
	}
}

// TestNoWindowIsExceeded: whatever the shape and phase of the server's windows, no call is refused and no rolling
// window holds more than its limit, at full speed, over a midnight.
func TestNoWindowIsExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{Second: 10, Minute: rapid.IntRange(20, 60).Draw(t, "minute")}
		limits.Day = rapid.IntRange(limits.Minute, 4*limits.Minute).Draw(t, "day")
		s := anyServer(t, limits)
		l := New(Config{Limits: limits})
		from := start.Truncate(24 * time.Hour).Add(24*time.Hour - time.Duration(rapid.IntRange(1, 200).Draw(t, "before midnight"))*time.Second)
		grants := spend(t, l, s, from, from.Add(6*time.Minute))
		if s.refused > 0 || s.maxSecond > 10 || s.maxMinute > limits.Minute || s.maxDayAll > limits.Day {
			t.Fatalf("%s: %d refused, at most %d a second, %d of %d a minute, %d of %d a day",
				s.shape, s.refused, s.maxSecond, s.maxMinute, limits.Minute, s.maxDayAll, limits.Day)
		}
		if want := min(limits.Day, limits.Minute*6) * 9 / 10; len(grants) < min(want, limits.Minute*3) {
			t.Fatalf("only %d calls", len(grants))
		}
	})
}

// TestRestartKeepsTheWindows: owners that are killed at random moments, and whose state is what they last saved,
// never exceed a window together; each crash costs at most one block.
func TestRestartKeepsTheWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{Second: 10, Minute: 60, Day: 300}
		s := anyServer(t, limits)
		var stored []byte
		save := func(_ context.Context, state []byte) error { stored = state; return nil }
		now, quiet, crashes := start, time.Time{}, 0
		for range rapid.IntRange(2, 8).Draw(t, "owners") {
			l := New(Config{Limits: limits})
			if err := l.Restore(now, stored); err != nil {
				t.Fatal(err)
			}
			if !quiet.IsZero() {
				l.Quiet(quiet)
			}
			end := now.Add(time.Duration(rapid.IntRange(1, 90_000).Draw(t, "life")) * time.Millisecond)
			for now.Before(end) {
				if l.Reserved() == 0 {
					if err := l.Reserve(t.Context(), now, save); err != nil {
						t.Fatal(err)
					}
				}
				a := l.Take(now, Urgent)
				if !a.OK {
					now = a.At
					continue
				}
				s.call(now)
				l.Finished(now)
				now = now.Add(time.Millisecond)
			}
			if rapid.Bool().Draw(t, "clean") {
				if err := l.Leave(t.Context(), now, save); err != nil {
					t.Fatal(err)
				}
				quiet = time.Time{}
				continue
			}
			crashes++
			if quiet = now; rapid.Bool().Draw(t, "late") { // it was not heard of for a while before the next one begins
				now = now.Add(time.Duration(rapid.IntRange(1, 1500).Draw(t, "silence")) * time.Millisecond)
			}
		}
		if s.refused > 0 || s.maxSecond > 10 || s.maxMinute > 60 || s.maxDayAll > 300 {
			t.Fatalf("%s: %d refused, at most %d a second, %d a minute, %d a day", s.shape, s.refused, s.maxSecond, s.maxMinute, s.maxDayAll)
		}
	})
}

func TestPaceIsEven(t *testing.T) {
	l := New(Config{Limits: Limits{Second: 10, Minute: 240, Day: 30000}})
	var last time.Time
	even, all := 0, 0
	for now := start; all < 200; {
		a := l.Take(now, Urgent)
		if !a.OK {
			now = a.At
			continue
		}
		if !last.IsZero() {
			all++
			if now.Sub(last) >= 90*time.Millisecond {
				even++
			}
		}
		last = now
		now = now.Add(time.Microsecond)
		l.Finished(now)
	}
	if even*100 < all*95 {
		t.Errorf("only %d of %d gaps are 90 ms or more", even, all)
	}
}

func ExampleLedger() {
	l := New(Config{Limits: Limits{Second: 10, Minute: 240, Day: 30000}})
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	fmt.Println(l.Take(now, Urgent).OK)
	a := l.Take(now, Urgent)
	fmt.Println(a.OK, a.Window, a.At.Sub(now))
	// Output:
	// true
	// false second 140ms
}

// TestGap: service keys keep a wide distance, because their minute binds long before; OAuth2 clients must not lose
// their minute to it.
func TestGap(t *testing.T) {
	for _, tc := range []struct {
		limits Limits
		want   time.Duration
	}{
		{Limits{Second: 10, Minute: 240}, 140 * time.Millisecond},
		{Limits{Second: 25, Minute: 1500}, 44 * time.Millisecond},
		{Limits{Second: 10}, 140 * time.Millisecond},
	} {
		if got := gapFor(tc.limits); got != tc.want {
			t.Errorf("%+v: %v, want %v", tc.limits, got, tc.want)
		}
	}
}

// TestNewOwnerWaitsForTheFormer: after an owner that did not leave in good order the first call waits a second, because
// the former one may still be calling; after one that left it need not.
func TestNewOwnerWaitsForTheFormer(t *testing.T) {
	var stored []byte
	save := func(_ context.Context, s []byte) error { stored = s; return nil }
	former := New(Config{Limits: strict})
	if err := former.Restore(start, nil); err != nil {
		t.Fatal(err)
	}
	for _, left := range []bool{false, true} {
		if err := former.Reserve(t.Context(), start, save); err != nil {
			t.Fatal(err)
		}
		if left {
			if err := former.Leave(t.Context(), start, save); err != nil {
				t.Fatal(err)
			}
		}
		l := New(Config{Limits: strict})
		if err := l.Restore(start, stored); err != nil {
			t.Fatal(err)
		}
		if err := l.Reserve(t.Context(), start, save); err != nil {
			t.Fatal(err)
		}
		a := l.Take(start, Urgent)
		if wait := a.At.Sub(start); a.OK || !left && wait != unaware || left && wait >= unaware {
			t.Errorf("the former owner left: %v; the new one is answered %+v", left, a)
		}
	}
}

// TestNewOwnerOfAQuietQuota: the second counts from when the former owner cannot have called any more; what is past of it
// need not be waited for, and what is not yet known changes nothing.
func TestNewOwnerOfAQuietQuota(t *testing.T) {
	var stored []byte
	save := func(_ context.Context, s []byte) error { stored = s; return nil }
	former := New(Config{Limits: strict})
	if err := former.Restore(start, nil); err != nil {
		t.Fatal(err)
	}
	if err := former.Reserve(t.Context(), start, save); err != nil {
		t.Fatal(err)
	}
	now := start.Add(time.Minute)
	for ago, want := range map[time.Duration]time.Duration{
		time.Hour: gapFor(strict), 2 * time.Second: gapFor(strict), 400 * time.Millisecond: 600 * time.Millisecond, 0: unaware, -time.Minute: unaware,
	} {
		l := New(Config{Limits: strict})
		if err := l.Restore(now, stored); err != nil {
			t.Fatal(err)
		}
		l.Quiet(now.Add(-ago))
		if err := l.Reserve(t.Context(), now, func(context.Context, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if a := l.Take(now, Urgent); a.OK || a.At.Sub(now) != want {
			t.Errorf("quiet for %v: %+v, want %v", ago, a, want)
		}
	}
}

// TestLook: what an owner may have used since it stored its state counts in the day, and not as used just now by whoever looks.
func TestLook(t *testing.T) {
	cfg := Config{Limits: Limits{Second: 10, Minute: 240, Day: 30000}}
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	owner := New(cfg)
	if err := owner.Restore(at, nil); err != nil {
		t.Fatal(err)
	}
	var stored []byte
	if err := owner.Reserve(t.Context(), at, func(_ context.Context, state []byte) error { stored = state; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		after               time.Duration
		second, minute, day int
	}{{10 * time.Second, 0, Block, Block}, {2 * time.Minute, 0, 0, Block}, {13 * time.Hour, 0, 0, 0}} {
		look, err := Look(at.Add(tt.after), cfg, stored)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]int{look.Second.Used, look.Minute.Used, look.Day.Used}; got != [3]int{tt.second, tt.minute, tt.day} {
			t.Errorf("after %s: second, minute, day are %v", tt.after, got)
		}
	}
	if look, err := Look(at, cfg, nil); err != nil || look.Day.Used != 0 || look.Day.Limit != 30000 {
		t.Errorf("nothing stored: %+v, %v", look.Day, err)
	}
	if _, err := Look(at, cfg, []byte("{")); err == nil {
		t.Error("what cannot be read is no ledger")
	}
}
