package quota

import (
	"testing"
	"time"
)

// strict are Keap's limits for a service account key.
var strict = Limits{Second: 10, Minute: 240, Day: 30000}

func told(limit, used int) Reading {
	return Reading{Known: true, Limit: limit, Used: used, Available: max(0, limit-used)}
}

// takes asks for one permit after the other, and gives how many there are now and what closes.
func takes(l *Ledger, now time.Time, most int) (n int, last Answer, end time.Time) {
	for n = range most {
		for {
			if last = l.Take(now, Urgent); last.OK || last.Window != Second {
				break
			}
			now = last.At
		}
		if !last.OK {
			return n, last, now
		}
		l.Finished(now)
	}
	return most, last, now
}

func TestHeadersOnlyMakeCareful(t *testing.T) {
	l := New(Config{Limits: strict})
	n, _, now := takes(l, start, 100)
	l.Observe(Observation{Sent: now, At: now, Status: 200, Minute: told(240, 5), Day: told(30000, 7)})
	o := l.Outlook(now)
	if o.Minute.Used != n || o.Day.Used != n || o.Day.Elsewhere != 0 {
		t.Errorf("headers that tell less than ours: %+v %+v", o.Minute, o.Day)
	}
	l.Observe(Observation{Sent: now, At: now, Status: 200, Minute: told(240, 220), Day: told(30000, 5000)})
	o = l.Outlook(now)
	if o.Minute.Used != 220 || o.Minute.Elsewhere != 120 || o.Day.Used != 5000 || o.Day.Elsewhere != 4900 {
		t.Errorf("headers that tell more: %+v %+v", o.Minute, o.Day)
	}
	if left, _, _ := takes(l, now, 100); left != 20 {
		t.Errorf("%d more calls in the minute, want 20", left)
	}
}

func TestLimitsByHeaders(t *testing.T) {
	l := New(Config{Limits: strict})
	_, _, now := takes(l, start, 1)
	l.Observe(Observation{Sent: now, At: now, Status: 200, Minute: told(120, 1), Day: told(15000, 1)})
	if o := l.Outlook(now); o.Minute.Limit != 120 || o.Day.Limit != 15000 {
		t.Errorf("lower limits hold at once: %+v %+v", o.Minute, o.Day)
	}
	l.Observe(Observation{Sent: now, At: now, Status: 200, Minute: told(1500, 1), Day: told(150000, 1)})
	if o := l.Outlook(now); o.Minute.Limit != 120 || o.Day.Limit != 15000 {
		t.Errorf("higher limits wait for the next window: %+v %+v", o.Minute, o.Day)
	}
	if o := l.Outlook(now.Add(2 * time.Minute)); o.Minute.Limit != 1500 || o.Day.Limit != 15000 {
		t.Errorf("a minute later: %+v %+v", o.Minute, o.Day)
	}
	if o := l.Outlook(now.Add(24 * time.Hour)); o.Day.Limit != 150000 {
		t.Errorf("a day later: %+v", o.Day)
	}
}

// refusal is a 429 at now whose request was sent then.
func refusal(now time.Time) Observation { return Observation{Sent: now, At: now, Status: 429} }

func TestDayThatIsToldIsNotProbed(t *testing.T) {
	l := New(Config{Limits: strict})
	_, _, now := takes(l, start, 1)
	o := refusal(now)
	o.Day, o.Minute = told(30000, 30000), told(240, 3)
	o.Day.Resets = time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	l.Observe(o)
	a := l.Take(now.Add(time.Hour), Urgent)
	if a.OK || a.Window != Day || a.At.Before(o.Day.Resets) || a.At.After(o.Day.Resets.Add(5*time.Second)) {
		t.Errorf("closed by %s until %s", a.Window, a.At)
	}
	if a = l.Take(a.At, Urgent); !a.OK {
		t.Errorf("at the reset: closed by %s until %s", a.Window, a.At)
	}
}

func TestRetryAfterIsHonouredInFull(t *testing.T) {
	l := New(Config{Limits: strict})
	_, _, now := takes(l, start, 1)
	o := refusal(now)
	o.RetryAfter = 17 * time.Minute
	l.Observe(o)
	if a := l.Take(now.Add(16*time.Minute), Urgent); a.OK || !a.At.Equal(now.Add(17*time.Minute)) {
		t.Errorf("%+v", a)
	}
}

// TestUnknownRefusalIsProbedOnce: after a refusal that says nothing the second is tried, then the minute, then less and
// less often; always with one call.
func TestUnknownRefusalIsProbedOnce(t *testing.T) {
	l := New(Config{Limits: strict})
	_, _, now := takes(l, start, 1)
	l.Observe(refusal(now))
	began, probes := now, 0
	for now.Sub(began) < 6*time.Hour {
		a := l.Take(now, Urgent)
		if !a.OK {
			if a.Window != Throttled {
				t.Fatalf("closed by %s", a.Window)
			}
			now = a.At
			continue
		}
		probes++
		if second := l.Take(now.Add(200*time.Millisecond), Urgent); second.OK {
			t.Fatal("two probes at once")
		}
		now = now.Add(time.Second)
		l.Observe(Observation{Sent: now.Add(-time.Second), At: now, Status: 429})
		l.Finished(now)
	}
	if probes > 13 {
		t.Errorf("%d probes in 6 hours", probes)
	}
	o := l.Outlook(now)
	if o.Closed == nil || o.Closed.Window != Throttled || !o.Closed.Since.Equal(began) {
		t.Errorf("shown as %+v", o.Closed)
	}
	a := l.Take(o.Closed.Until, Urgent)
	l.Observe(Observation{Sent: o.Closed.Until, At: o.Closed.Until.Add(time.Second), Status: 200})
	if !a.OK || l.Outlook(o.Closed.Until.Add(time.Second)).Closed != nil {
		t.Error("a call that passes does not end the trouble")
	}
}

// TestRefusalsOnTheWayTellNothingNew: calls that were under way when the first was refused do not make it worse.
func TestRefusalsOnTheWayTellNothingNew(t *testing.T) {
	l := New(Config{Limits: strict})
	_, _, now := takes(l, start, 5)
	for i := range 5 {
		at := now.Add(time.Duration(i) * 50 * time.Millisecond)
		l.Observe(Observation{Sent: now.Add(-time.Second), At: at, Status: 429})
	}
	if a := l.Take(now.Add(time.Second), Urgent); a.OK || a.At.After(now.Add(firstProbe)) {
		t.Errorf("%+v", a)
	}
}

// TestClockOfTheServer: the day ends when it does there.
func TestClockOfTheServer(t *testing.T) {
	l := New(Config{Limits: Limits{Second: 10, Minute: 240, Day: 3}})
	_, _, now := takes(l, start, 3)
	server := time.Date(2026, 11, 27, 23, 59, 30, 0, time.UTC)
	l.Observe(Observation{Sent: now, At: now.Add(100 * time.Millisecond), Status: 200, Date: server, Day: told(3, 3)})
	a := l.Take(now.Add(time.Second), Urgent)
	if a.OK || a.Window != Day || a.At.Sub(now) < 29*time.Second || a.At.Sub(now) > 35*time.Second {
		t.Errorf("closed by %s for %s", a.Window, a.At.Sub(now))
	}
	if a = l.Take(a.At, Urgent); !a.OK {
		t.Errorf("after the server's midnight: %+v", a)
	}
}

func TestOthersTakeTheLastCalls(t *testing.T) {
	l := New(Config{Limits: strict})
	_, _, now := takes(l, start, 10)
	l.Observe(Observation{Sent: now, At: now, Status: 200, Minute: told(240, 232), Day: told(30000, 240)})
	now = now.Add(time.Second)
	if a := l.Take(now, Urgent); !a.OK {
		t.Fatalf("%+v", a)
	}
	if a := l.Take(now.Add(time.Second), Urgent); a.OK {
		t.Error("two calls on their way while others spend the last ones")
	}
	l.Finished(now.Add(time.Second))
	if a := l.Take(now.Add(2*time.Second), Urgent); !a.OK {
		t.Errorf("%+v", a)
	}
	if a := l.Take(now.Add(3*time.Second), Normal); a.OK {
		t.Error("work that is not urgent takes from the share that is kept for others")
	}
}

// TestMinuteThatOpensPlaceByPlace: without a word from the server the second is tried first. When that call passes and
// one after it is refused, the minute is closed, and is left alone until it must be open; calls go one by one meanwhile.
func TestMinuteThatOpensPlaceByPlace(t *testing.T) {
	for _, hint := range []time.Duration{0, time.Second} { // Retry-After, which tells of one place
		l := New(Config{Limits: strict})
		_, _, now := takes(l, start, 1)
		refused := refusal(now)
		refused.RetryAfter = hint
		l.Observe(refused)
		l.Finished(now)
		a := l.Take(now, Urgent)
		if a.OK || a.At.After(now.Add(firstProbe)) {
			t.Fatalf("after the first refusal: %+v", a)
		}
		now = a.At
		if a = l.Take(now, Urgent); !a.OK {
			t.Fatalf("no probe: %+v", a)
		}
		l.Observe(Observation{Sent: now, At: now.Add(200 * time.Millisecond), Status: 200})
		l.Finished(now.Add(200 * time.Millisecond))
		now = now.Add(time.Second)
		if a = l.Take(now, Urgent); !a.OK {
			t.Fatalf("after the probe passed: %+v", a)
		}
		if second := l.Take(now.Add(500*time.Millisecond), Urgent); second.OK {
			t.Error("two calls on their way into a window that may be closed")
		}
		refused = refusal(now)
		refused.RetryAfter = hint
		l.Observe(refused)
		l.Finished(now)
		if a = l.Take(now.Add(59*time.Second), Urgent); a.OK {
			t.Error("a call within the minute after the second refusal")
		}
		if a = l.Take(now.Add(minuteSpan), Urgent); !a.OK {
			t.Errorf("after the minute: %+v", a)
		}
	}
}
