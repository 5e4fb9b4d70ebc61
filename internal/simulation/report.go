package simulation

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"bridge/internal/events"
	"bridge/internal/keap/sandbox"
)

// Report is what a run came to.
type Report struct {
	Load   Load
	Seed   uint64
	Bounds Bounds

	Calls       int // from the first event to the last
	ByOperation map[string]int
	LiveDone    int // live events that were finished by midnight
	Left        int // live events that were not, though they came justBefore it or earlier
	Done        int
	Urgent      Spread // from arrival to the end of the last call
	Normal      Spread
	BackFill    time.Duration // from midnight until the back-fill was finished; 0: it was not
	Use         float64       // of the minute's window while released work waits
	UseMinutes  int           // that it was seen over

	Refused  int            // 429
	Refusals refusals       // of these, by what was known
	Above    sandbox.Counts // of these, by window
	Most     sandbox.Counts // in any second, minute, UTC day
	Bursts   int            // of others
	Doubts   int            // that a person had to resolve
	Older    int            // contacts left with fields that are not the newest, because an urgent event overtook
	Digest   string         // the same for runs that made the same calls at the same times
	Took     time.Duration  // of real time
	Mistakes []string       // what the day should not have been
}

// Spread is how long events took.
type Spread struct {
	P50, P99, Most time.Duration
}

func spread(took []time.Duration) Spread {
	if len(took) == 0 {
		return Spread{}
	}
	slices.Sort(took)
	at := func(q float64) time.Duration { return took[min(len(took)-1, int(q*float64(len(took))))] }
	return Spread{P50: at(0.5), P99: at(0.99), Most: at(1)}
}

// PerEvent is calls per event.
func (r *Report) PerEvent() float64 { return float64(r.Calls) / float64(r.Bounds.Events) }

// String is the report in a few lines.
func (r *Report) String() string {
	hours := func(d time.Duration) string { return fmt.Sprintf("%.2f h", d.Hours()) }
	lines := []string{
		fmt.Sprintf("seed %d, %s: %d of %d events with %d calls, %.4f each, %.4f × LB, %.4f × LBu", r.Seed, r.Load, r.Done, r.Bounds.Events,
			r.Calls, r.PerEvent(), float64(r.Calls)/float64(r.Bounds.Wait), float64(r.Calls)/float64(r.Bounds.Urgent)),
		fmt.Sprintf("  live done by midnight %d; urgent p50 %s p99 %s most %s; normal p50 %s p99 %s; back-fill %s", r.LiveDone,
			round(r.Urgent.P50), round(r.Urgent.P99), round(r.Urgent.Most), round(r.Normal.P50), round(r.Normal.P99), hours(r.BackFill)),
		fmt.Sprintf("  use %.4f over %d looks; refused %d (%+v, %+v), others %d; most %+v; doubts %d; older fields %d; digest %s; %s", r.Use, r.UseMinutes, r.Refused, r.Above, r.Refusals,
			r.Bursts, r.Most, r.Doubts, r.Older, r.Digest, r.Took.Round(time.Millisecond)),
		fmt.Sprintf("  %v", r.ByOperation),
	}
	for i, m := range r.Mistakes {
		if i == 10 {
			lines = append(lines, fmt.Sprintf("  … %d mistakes in all", len(r.Mistakes)))
			break
		}
		lines = append(lines, "  MISTAKE: "+m)
	}
	return strings.Join(lines, "\n")
}

func round(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

// report measures a run that is over.
func (r *trial) report() (*Report, error) {
	out := &Report{
		Load: r.Load, Seed: r.Seed, Bounds: r.day.Bounds(), ByOperation: map[string]int{}, Most: r.keap.Calls("").Max,
		Bursts: len(r.Weather.Others), Doubts: r.clerk.resolved, Mistakes: r.clerk.failed,
	}
	log := r.keap.Log("", r.begins().Add(-2*time.Second), 0)
	var accepted []time.Time
	for i := range log {
		l := &log[i]
		out.Calls++
		out.ByOperation[l.Operation]++
		if l.Status == 429 && l.Fault == nil {
			out.Refused++
			out.Refusals.add(l.At)
			continue
		}
		accepted = append(accepted, l.At)
	}
	out.Use, out.UseMinutes = r.meter.use(accepted, r.Workload.Quota.Minute)
	out.Above = r.keap.Calls("").Violations
	r.timings(out)
	if r.meter.unfinished {
		out.mistake("%d events were not finished %s after midnight", out.Bounds.Events-out.Done, r.Patience)
	}
	r.windows(out)
	if !r.meter.unfinished {
		keap := crm{people: r.keap.State("").Contacts, log: log, tags: map[string]string{}}
		for name, id := range r.tagIDs {
			keap.tags[id] = name
		}
		want := r.day.Expect()
		out.Mistakes = append(out.Mistakes, keap.compare(want)...)
		for i := range keap.people {
			if p := want[keap.people[i].Email]; p != nil && p.Name != keap.people[i].FamilyName {
				out.Older++
			}
		}
	}
	out.Digest = digest(log)
	return out, nil
}

func (out *Report) mistake(format string, args ...any) {
	out.Mistakes = append(out.Mistakes, fmt.Sprintf(format, args...))
}

// justBefore is how long before midnight an event has to come that can be finished by then: calls take a while.
const justBefore = 5 * time.Second

// timings says when what was done.
func (r *trial) timings(out *Report) {
	midnight, filled := r.day.Begins.Add(24*time.Hour), true
	var urgent, normal []time.Duration
	for _, e := range r.inbox.entries {
		if !e.settled {
			filled = filled && e.Live
			continue
		}
		out.Done++
		took := e.done.Sub(e.At)
		switch {
		case !e.Live:
			out.BackFill = max(out.BackFill, e.done.Sub(r.day.Begins))
		case e.Priority == events.Urgent:
			urgent = append(urgent, took)
		default:
			normal = append(normal, took)
		}
		if e.Live && !e.done.After(midnight) {
			out.LiveDone++
		}
	}
	for _, e := range r.inbox.entries {
		if e.Live && midnight.Sub(e.At) >= justBefore && (!e.settled || e.done.After(midnight)) {
			out.Left++
		}
	}
	if !filled {
		out.BackFill = 0
	}
	out.Urgent, out.Normal = spread(urgent), spread(normal)
}

// windows holds the calls to the limits.
func (r *trial) windows(out *Report) {
	if q := r.Workload.Quota; out.Most.Second > q.Second || out.Most.Minute > q.Minute || out.Most.Day > r.dayLimit() {
		out.mistake("as many as %+v calls in a window", out.Most)
	}
	r.judge(out)
}

// digest is the same for runs that made the same calls at the same times.
func digest(log []sandbox.Line) string {
	h := fnv.New64a()
	for i := range log {
		fmt.Fprintln(h, log[i].At.UnixNano(), log[i].Operation, log[i].Status, log[i].Subjects)
	}
	return strconv.FormatUint(h.Sum64(), 16)
}
