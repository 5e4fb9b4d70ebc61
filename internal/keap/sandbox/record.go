package sandbox

import (
	"maps"
	"slices"
	"strconv"
	"time"
)

// maxLog bounds the log: when it holds so many calls, or four times as many subjects, the older half is forgotten.
// The counters are not.
const maxLog = 500_000

// Calls are the counters since the start or the last Reset.
type Calls struct {
	Total       int            `json:"total"`
	ByOperation map[string]int `json:"by_operation"`
	ByStatus    map[string]int `json:"by_status"` // "0": no answer was given
	Violations  Counts         `json:"violations"`
	Max         Counts         `json:"max"`
}

// Counts are figures per window. As violations: calls that arrived above a limit, refused as they were. As
// maxima: the most calls of one quota, refused ones included, in any rolling second, any rolling minute and any UTC
// day; the use by others (Elsewhere) is not in them.
type Counts struct {
	Second int `json:"second"`
	Minute int `json:"minute"`
	Day    int `json:"day"`
}

// Line is one call in the log.
type Line struct {
	N          uint64    `json:"n"` // 1, 2, 3 … since the last Reset
	At         time.Time `json:"at"`
	Operation  string    `json:"operation"`
	Status     int       `json:"status"` // 0: no answer was given
	Fault      *string   `json:"fault"`  // the one injected
	Credential string    `json:"credential"`
	App        string    `json:"app"`
	Subjects   []string  `json:"subjects"` // "contact:12", "tag:3" …
	Method     string    `json:"method"`
	Path       string    `json:"path"`
}

// callLog holds the last calls.
type callLog struct {
	most     int
	lines    []Line
	subjects int // of all lines: a call may have hundreds
	next     uint64
}

func (l *callLog) add(line Line) {
	l.next++
	line.N = l.next
	if len(l.lines) >= l.most || l.subjects >= 4*l.most {
		half := (len(l.lines) + 1) / 2
		for _, old := range l.lines[:half] {
			l.subjects -= len(old.Subjects)
		}
		l.lines = slices.Delete(l.lines, 0, half)
	}
	if line.Subjects == nil {
		line.Subjects = []string{}
	}
	l.subjects += len(line.Subjects)
	l.lines = append(l.lines, line)
}

// tally counts the calls of one tenant.
type tally struct {
	operations map[string]int
	statuses   map[int]int
	total      int
	violations Counts
}

// recordLocked counts one call and logs it.
func (s *Server) recordLocked(line Line, c closed) {
	t, ok := s.tally[line.App]
	if !ok {
		t = &tally{operations: map[string]int{}, statuses: map[int]int{}}
		s.tally[line.App] = t
	}
	t.total++
	t.operations[line.Operation]++
	t.statuses[line.Status]++
	t.violations.add(c)
	s.calls.add(line)
}

func (v *Counts) add(c closed) {
	if c.second {
		v.Second++
	}
	if c.minute {
		v.Minute++
	}
	if c.day {
		v.Day++
	}
}

// Calls counts the calls of one tenant, or of all when app is "".
func (s *Server) Calls(app string) Calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Calls{ByOperation: map[string]int{}, ByStatus: map[string]int{}}
	for name, t := range s.tally {
		if app != "" && name != app {
			continue
		}
		out.Total += t.total
		for op, n := range t.operations {
			out.ByOperation[op] += n
		}
		for status, n := range t.statuses {
			out.ByStatus[strconv.Itoa(status)] += n
		}
		out.Violations.Second += t.violations.Second
		out.Violations.Minute += t.violations.Minute
		out.Violations.Day += t.violations.Day
	}
	for b := range maps.Values(s.buckets) {
		for name, p := range b.peaks {
			if app != "" && name != app {
				continue
			}
			out.Max.Second = max(out.Max.Second, p.second.most)
			out.Max.Minute = max(out.Max.Minute, p.minute.most)
			out.Max.Day = max(out.Max.Day, p.day.most)
		}
	}
	return out
}

// Log returns the calls of one tenant ("": of all) that came after the time and after the n-th call, as far as they
// are remembered: the last 250,000 at least, fewer where calls have many subjects.
func (s *Server) Log(app string, after time.Time, n uint64) []Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Line
	for _, l := range s.calls.lines {
		if l.N > n && l.At.After(after) && (app == "" || l.App == app) {
			out = append(out, l)
		}
	}
	return out
}
