package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"bridge/internal/events"
)

// chart is a picture of some series over time, as SVG. It has no style attributes, which the content security policy
// forbids: classes colour it.
type chart struct {
	label  string   // what a screen reader says
	marks  []string // below, evenly spread
	series []series
}

// look is how a series is drawn.
type look uint8

const (
	asLine look = iota
	asArea
	asBars
)

type series struct {
	name   string
	class  string
	values []float64
	look   look
}

const chartWidth, chartHeight = 600, 120

// svg draws all series on one scale.
func (c chart) svg() template.HTML {
	top := 1.0
	for _, s := range c.series {
		for _, v := range s.values {
			top = max(top, v)
		}
	}
	top = niceTop(top)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" preserveAspectRatio="none"><title>%s</title>`,
		chartWidth, chartHeight, template.HTMLEscapeString(c.label))
	for _, part := range []float64{0.5, 1} {
		y := chartHeight - part*(chartHeight-2)
		fmt.Fprintf(&b, `<line class="grid" x1="0" x2="%d" y1="%.0f" y2="%.0f"/>`, chartWidth, y, y)
	}
	for _, s := range c.series {
		b.WriteString(s.path(top))
	}
	b.WriteString(`</svg><div class="axis">`)
	for _, m := range c.marks {
		fmt.Fprintf(&b, `<span>%s</span>`, template.HTMLEscapeString(m))
	}
	fmt.Fprintf(&b, `</div><p class="legend"><span>scale to %s</span>`, decimalShort(top))
	for _, s := range c.series {
		fmt.Fprintf(&b, `<span><i class="key %s"></i>%s</span>`, s.class, template.HTMLEscapeString(s.name))
	}
	b.WriteString(`</p>`)
	return template.HTML(b.String())
}

func (s series) path(top float64) string {
	if s.look == asBars {
		return s.bars(top)
	}
	if len(s.values) < 2 {
		return ""
	}
	var b strings.Builder
	step := float64(chartWidth) / float64(len(s.values)-1)
	for i, v := range s.values {
		if i > 0 && i+1 < len(s.values) && v == s.values[i-1] && v == s.values[i+1] {
			continue // on a level line
		}
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		fmt.Fprintf(&b, "%s%.0f %.1f", letter, float64(i)*step, chartHeight-v/top*(chartHeight-2))
	}
	if s.look == asArea {
		fmt.Fprintf(&b, "L%d %dL0 %dZ", chartWidth, chartHeight, chartHeight)
		return fmt.Sprintf(`<path class="area %s" d="%s"/>`, s.class, b.String())
	}
	return fmt.Sprintf(`<path class="line %s" d="%s"/>`, s.class, b.String())
}

func (s series) bars(top float64) string {
	var b strings.Builder
	step := float64(chartWidth) / float64(len(s.values))
	for i, v := range s.values {
		if v > 0 {
			height := v / top * (chartHeight - 2)
			fmt.Fprintf(&b, `<rect class="bar %s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, s.class, float64(i)*step+step*0.1, chartHeight-height, step*0.8, height)
		}
	}
	return b.String()
}

// niceTop is the next of 1, 2, 5, 10, 20, 50, …
func niceTop(v float64) float64 {
	for unit := 1.0; ; unit *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if n*unit >= v {
				return n * unit
			}
		}
	}
}

func decimalShort(f float64) string {
	if f == float64(int(f)) {
		return count(int(f))
	}
	return decimal(f)
}

// dayChart shows calls and events per minute over 24 hours, in steps of ten minutes.
func dayChart(rates []events.Rate, until time.Time) chart {
	const step = 10 * time.Minute
	until = until.UTC().Truncate(step)
	since := until.Add(-24 * time.Hour)
	calls := series{name: "Keap calls a minute", class: "calls", look: asArea, values: make([]float64, 145)}
	taken := series{name: "events a minute", class: "events", values: make([]float64, 145)}
	refused := series{name: "calls without success", class: "errors", values: make([]float64, 145)}
	for _, r := range rates {
		i := int(r.At.Sub(since) / step)
		if i < 0 || i >= len(calls.values) {
			continue
		}
		perMinute := float64(r.Count) / step.Minutes()
		switch {
		case r.What == events.RateAccepted:
			taken.values[i] += perMinute
		case r.What == events.RateSettled:
		default:
			calls.values[i] += perMinute
			if !strings.HasPrefix(r.Status, "2") {
				refused.values[i] += perMinute
			}
		}
	}
	label := fmt.Sprintf("The last 24 hours: up to %s Keap calls and %s events a minute", decimal(highest(calls.values)), decimal(highest(taken.values)))
	var marks []string
	for at := since; !at.After(until); at = at.Add(6 * time.Hour) {
		marks = append(marks, at.Format("15:04"))
	}
	return chart{label: label, marks: marks, series: []series{calls, taken, refused}}
}

func highest(values []float64) float64 {
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	return top
}

// quotaChart shows an account's days: what was used of the quota, and what others used of it.
func quotaChart(days []events.DayQuota, today time.Time) chart {
	const length = 30
	first := today.UTC().Truncate(day).Add(-(length - 1) * day)
	used := series{name: "used", class: "calls", look: asBars, values: make([]float64, length)}
	others := series{name: "by others", class: "others", look: asBars, values: make([]float64, length)}
	limit := 0
	for _, d := range days {
		i := int(d.Day.Sub(first) / day)
		if i < 0 || i >= length {
			continue
		}
		used.values[i], others.values[i] = float64(max(d.Used, d.Calls)), float64(d.Elsewhere)
		limit = d.Limit
	}
	label := fmt.Sprintf("The last 30 days: at most %s calls a day", decimalShort(highest(used.values)))
	if limit > 0 {
		label += fmt.Sprintf(" of %s", count(limit))
	}
	return chart{
		label: label, series: []series{used, others},
		marks: []string{first.Format("2 Jan"), first.Add(15 * day).Format("2 Jan"), today.UTC().Format("2 Jan")},
	}
}

// gauge is one quota window as a bar: ours, others', and what is left. A full second or minute is good use of it; a
// day that runs out is worth a warning.
func gauge(used, elsewhere, limit int, warn bool) template.HTML {
	if limit <= 0 {
		return ""
	}
	width := func(n int) float64 { return min(100, max(0, float64(n)/float64(limit)*100)) }
	ours, theirs := width(used-elsewhere), width(elsewhere)
	theirs = min(theirs, 100-ours)
	class := "ok"
	switch {
	case !warn:
	case used*20 >= limit*19:
		class = "bad"
	case used*5 >= limit*4:
		class = "wait"
	}
	return template.HTML(fmt.Sprintf(`<svg class="gauge" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">`+
		`<rect class="free" width="100" height="8"/><rect class="%s" width="%.2f" height="8"/><rect class="others" x="%.2f" width="%.2f" height="8"/></svg>`,
		class, ours, ours, theirs))
}
