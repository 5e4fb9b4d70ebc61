package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one measured quantity, a value for each run.
type figure struct {
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Runs   []float64 `json:"runs"`
	Median float64   `json:"median"`
	Least  float64   `json:"least"`
	Most   float64   `json:"most"`
	Bar    string    `json:"bar,omitempty"` // what the median is to be: "≥ 14000"
	Met    *bool     `json:"met,omitempty"`
	Missed int       `json:"missed,omitempty"` // runs that gave no value: nothing was answered in their time
}

// report collects figures in the order in which they first come.
type report struct {
	Taken   time.Time `json:"taken"`
	Machine machine   `json:"machine"`
	Figures []*figure `json:"figures"`
}

func newReport() *report {
	return &report{Taken: time.Now().UTC().Truncate(time.Second), Machine: describe()}
}

// add notes the value of one run.
func (r *report) add(name, unit string, value float64) {
	fmt.Printf("  %-58s %s %s\n", name, number(value), unit)
	f := r.find(name)
	if f == nil {
		f = &figure{Name: name, Unit: unit}
		r.Figures = append(r.Figures, f)
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		f.Missed++
		return
	}
	f.Runs = append(f.Runs, value)
	sorted := slices.Sorted(slices.Values(f.Runs))
	f.Least, f.Most, f.Median = sorted[0], sorted[len(sorted)-1], quantile(sorted, 0.5)
}

func (r *report) find(name string) *figure {
	i := slices.IndexFunc(r.Figures, func(f *figure) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return r.Figures[i]
}

// atLeast and atMost are add with a bar for the median.
func (r *report) atLeast(bar float64, name, unit string, value float64) {
	r.add(name, unit, value)
	f := r.find(name)
	r.judge(name, "≥ "+number(bar), len(f.Runs) > 0 && f.Median >= bar)
}

func (r *report) atMost(bar float64, name, unit string, value float64) {
	r.add(name, unit, value)
	f := r.find(name)
	r.judge(name, "≤ "+number(bar), len(f.Runs) > 0 && f.Median <= bar)
}

func (r *report) judge(name, bar string, met bool) {
	f := r.find(name)
	f.Bar, f.Met = bar, &met
}

// quantile of sorted values, between the two nearest.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// exponent is the slope of the line through the points on logarithmic axes: 0 when y does not grow with x, 1 when it
// grows alike.
func exponent(x, y []float64) float64 {
	var sx, sy, sxx, sxy float64
	n := float64(len(x))
	for i := range x {
		lx, ly := math.Log(x[i]), math.Log(max(y[i], 1e-12))
		sx, sy, sxx, sxy = sx+lx, sy+ly, sxx+lx*lx, sxy+lx*ly
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// count writes a whole number, thousands apart.
func count(n int) string { return thousands(strconv.Itoa(n)) }

func thousands(digits string) string {
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// number writes three to four digits, thousands apart.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}

// table is the report as Markdown.
func (r *report) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| figure\t| median\t| least – most\t| bar\t|")
	fmt.Fprintln(w, "|---\t|---\t|---\t|---\t|")
	for _, f := range r.Figures {
		spread := "–"
		if len(f.Runs) > 1 {
			spread = number(f.Least) + " – " + number(f.Most)
		}
		bar := f.Bar
		if f.Met != nil && *f.Met {
			bar += " ✓"
		} else if f.Met != nil {
			bar += " missed"
		}
		median := "none"
		if len(f.Runs) > 0 {
			median = number(f.Median) + " " + f.Unit
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t|\n", f.Name, median, spread, bar)
	}
	_ = w.Flush() // into memory
	return b.String()
}

func (r *report) write(path string) error {
	body, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(body, '\n'), 0o600)
}

// machine is what the figures were taken on. It names no host and no path.
type machine struct {
	OS        string  `json:"os"`
	Arch      string  `json:"arch"`
	Processor string  `json:"processor"`
	Cores     int     `json:"cores"`
	MemoryGB  float64 `json:"memory_gb,omitempty"`
	Go        string  `json:"go"`
	Load      string  `json:"load_at_start,omitempty"` // run queue over 1, 5, 15 minutes
	SyncMS    float64 `json:"fsync_ms"`                // median of writing 4 KiB and syncing it
}

func describe() machine {
	m := machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(), SyncMS: syncCost()}
	m.Processor = strings.TrimSpace(lineOf("/proc/cpuinfo", "model name"))
	var kb float64
	if _, err := fmt.Sscan(lineOf("/proc/meminfo", "MemTotal"), &kb); err == nil {
		m.MemoryGB = math.Round(kb/(1<<20)*10) / 10
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(b))[:3], " ")
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("machine: %d × %s, %.1f GB, %s/%s, %s, fsync %.2f ms, load %s\n", m.Cores, m.Processor, m.MemoryGB, m.OS, m.Arch, m.Go, m.SyncMS, m.Load)
}

// lineOf returns what stands after "name:" in a file of such lines.
func lineOf(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// syncCost measures the disk: everything durable is made of this.
func syncCost() float64 {
	f, err := os.CreateTemp("", "bridge-bench-sync-")
	if err != nil {
		return math.NaN()
	}
	defer os.Remove(f.Name())
	defer f.Close()
	block := make([]byte, 4096)
	var took []float64
	for range 200 {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			return math.NaN()
		}
		if err := f.Sync(); err != nil {
			return math.NaN()
		}
		took = append(took, float64(time.Since(begin))/1e6)
	}
	slices.Sort(took)
	return quantile(took, 0.5)
}
