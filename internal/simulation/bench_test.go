package simulation

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"bridge/internal/keap/sandbox"
)

var seedsFlag = flag.Int("seeds", 5, "how many seeds the benchmark takes each figure from")

// figure is one line of the table.
type figure struct {
	name  string
	run   string // of scenes
	bar   float64
	least bool // the figure is to be at least the bar, else at most
	of    func(*Report) float64
	print string
}

// scenes are the runs that figures are read from. The day's end is enough where only the day counts.
var scenes = map[string]Setup{
	"20,000 + back-fill":           {Load: load(20_000, true), Forecast: 1},
	"18,000":                       {Load: load(18_000, false), Forecast: 1},
	"15,000 + back-fill":           {Load: load(15_000, true), Forecast: 1},
	"8,000 + back-fill":            {Load: load(8_000, true), Forecast: 1},
	"20,000, forecast 20 % short":  {Load: load(20_000, true), Forecast: 0.8, Patience: 24 * time.Hour},
	"20,000, forecast 20 % beyond": {Load: load(20_000, true), Forecast: 1.2, Patience: 24 * time.Hour},
	"20,000, others spend":         {Load: load(20_000, true), Forecast: 1, Patience: 24 * time.Hour, Weather: Weather{Others: others()}},
	"20,000, others, no headers":   {Load: load(20_000, true), Forecast: 1, Patience: 24 * time.Hour, Weather: Weather{Others: others(), Keap: silent}},
}

// silent is a Keap that tells nothing about its windows, not even when it refuses.
var silent = []sandbox.Settings{{Headers: "none", On429: "none", Retry: new(false)}}

func load(live int, backFill bool) Load { return Load{Live: live, BackFill: backFill} }

// others are bursts that use a minute up, a dozen a day.
func others() (list []Burst) {
	for n := range 12 {
		list = append(list, Burst{At: time.Duration(2*n)*time.Hour + 17*time.Minute, Calls: 240})
	}
	return list
}

func figures() []figure {
	const crowded, alone, rich, calm = "20,000 + back-fill", "18,000", "15,000 + back-fill", "8,000 + back-fill"
	per := func(r *Report) float64 { return r.PerEvent() }
	live := func(r *Report) float64 { return float64(r.LiveDone) }
	fill := func(r *Report) float64 { return orNever(r.BackFill.Hours()) }
	probes := func(r *Report) float64 {
		closed := r.Bursts // a minute each
		if r.Above.Day > 0 {
			closed++ // with what the others spend the day ends early
		}
		return float64(r.Refusals.Useless) / float64(closed)
	}
	return []figure{
		{"calls per event", crowded, 1.26, false, per, "%.4f"},
		{"calls × LB", crowded, 1.17, false, func(r *Report) float64 { return float64(r.Calls) / float64(r.Bounds.Wait) }, "%.4f"},
		{"calls × LBu", crowded, 1.035, false, func(r *Report) float64 { return float64(r.Calls) / float64(r.Bounds.Urgent) }, "%.4f"},
		{"live done by midnight", crowded, 18_000, true, live, "%.0f"},
		{"urgent p50, s", crowded, 0.8, false, func(r *Report) float64 { return r.Urgent.P50.Seconds() }, "%.3f"},
		{"urgent p99, s", crowded, 1.5, false, func(r *Report) float64 { return r.Urgent.P99.Seconds() }, "%.3f"},
		{"back-fill finished, h", crowded, 49.5, false, fill, "%.2f"},
		{"left, but of the last 5 s", alone, 0, false, func(r *Report) float64 { return float64(r.Left) }, "%.0f"},
		{"calls per event", alone, 1.70, false, per, "%.4f"},
		{"normal p99, min", alone, 32, false, func(r *Report) float64 { return r.Normal.P99.Minutes() }, "%.1f"},
		{"calls per event", rich, 1.24, false, per, "%.4f"},
		{"live done by midnight", rich, 14_600, true, live, "%.0f"},
		{"back-fill finished, h", calm, 25.6, false, fill, "%.2f"},
		{"use of the minute", calm, 0.97, true, func(r *Report) float64 { return r.Use }, "%.4f"},
		{"use of the minute", crowded, 0.97, true, func(r *Report) float64 { return r.Use }, "%.4f"},
		{"refused (429)", crowded, 0, false, func(r *Report) float64 { return float64(r.Refused) }, "%.0f"},
		{"refused a closed window", "20,000, others spend", 1, false, func(r *Report) float64 { return float64(r.Refused) / float64(r.Bursts) }, "%.2f"},
		{"sent into a closed window", "20,000, others spend", 0, false, func(r *Report) float64 { return float64(r.Refusals.Useless) }, "%.0f"},
		{"probes a closed window", "20,000, others, no headers", 1, false, probes, "%.2f"},
		{"most in a second", crowded, 10, false, func(r *Report) float64 { return float64(r.Most.Second) }, "%.0f"},
		{"most in a minute", crowded, 240, false, func(r *Report) float64 { return float64(r.Most.Minute) }, "%.0f"},
		{"most in a UTC day", crowded, 30_000, false, func(r *Report) float64 { return float64(r.Most.Day) }, "%.0f"},
		{"urgent p99, s", "20,000, forecast 20 % short", 60, false, func(r *Report) float64 { return r.Urgent.P99.Seconds() }, "%.3f"},
		{"live done by midnight", "20,000, forecast 20 % beyond", 18_000, true, live, "%.0f"},
	}
}

// orNever is a figure for what did not happen.
func orNever(hours float64) float64 {
	if hours == 0 {
		return 999
	}
	return hours
}

// BenchmarkBlackFriday prints how the planner does on the reference workload, beside the bars that it is held to and
// what one call per action with a look-up comes to.
func BenchmarkBlackFriday(b *testing.B) {
	for b.Loop() {
		reports := perform(b, seeds(*seedsFlag))
		if !b.Failed() {
			printTable(b, reports)
		}
	}
}

// perform runs every scene with every seed, as many at a time as there are processors, and the first with the planner of
// other tools.
func perform(b *testing.B, seeds []uint64) map[string][]*Report {
	var (
		running sync.WaitGroup
		free    = make(chan struct{}, runtime.NumCPU())
		mu      sync.Mutex
		reports = map[string][]*Report{}
	)
	start := func(scene string, s Setup) {
		running.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			r, err := inProcess(b.Context(), s)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				b.Error(err)
				return
			}
			reports[scene] = append(reports[scene], r)
		})
	}
	for scene, s := range scenes {
		for _, seed := range seeds {
			s.Seed = seed
			start(scene, s)
		}
	}
	for _, scene := range []string{"20,000 + back-fill", "18,000"} {
		s := scenes[scene]
		s.Seed, s.OneByOne = seeds[0], true
		start(scene+oneByOneMark, s)
	}
	running.Wait()
	return reports
}

const oneByOneMark = ", one by one"

func printTable(b *testing.B, reports map[string][]*Report) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "\nrun\tfigure\tbar\tmean\tworst\tone by one\t\n")
	last := ""
	for _, f := range figures() {
		name := f.run
		if name == last {
			name = ""
		}
		last = f.run
		mean, worst := f.over(reports[f.run])
		sign, verdict := "≤", ""
		if f.least {
			sign = "≥"
		}
		if f.misses(worst) {
			verdict = "missed"
		}
		beside := ""
		if other := reports[f.run+oneByOneMark]; len(other) == 1 {
			beside = fmt.Sprintf(f.print, f.of(other[0]))
		}
		fmt.Fprintln(out, strings.Join([]string{name, f.name, sign + " " + fmt.Sprintf(f.print, f.bar), fmt.Sprintf(f.print, mean), fmt.Sprintf(f.print, worst), beside, verdict}, "\t"))
	}
	slowest := &Report{}
	for _, list := range reports {
		for _, r := range list {
			if r.Took > slowest.Took {
				slowest = r
			}
			for _, m := range r.Mistakes {
				if !strings.Contains(m, "were not finished") {
					b.Errorf("seed %d, %s: %s", r.Seed, r.Load, m)
				}
			}
		}
	}
	fmt.Fprintf(out, "slowest run\t%s\t\t\t%s\t\t\n", slowest.Load, slowest.Took.Round(100*time.Millisecond))
}

// over gives the mean and the worst of a figure.
func (f *figure) over(reports []*Report) (mean, worst float64) {
	for i, r := range reports {
		v := f.of(r)
		mean += v / float64(len(reports))
		if i == 0 || f.least && v < worst || !f.least && v > worst {
			worst = v
		}
	}
	return mean, worst
}

func (f *figure) misses(v float64) bool {
	if f.least {
		return v < f.bar
	}
	return v > f.bar
}
