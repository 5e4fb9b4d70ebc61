package console

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"bridge/internal/events"
	"bridge/internal/ops"
)

// pageFuncs are what templates may call. What needs the time of the request is a method of view.
func pageFuncs() template.FuncMap {
	return template.FuncMap{
		"count": count, "dec": decimal, "span": span, "join": strings.Join, "upper": capital, "query": query, "id": rowName,
		"state": func(s events.State) string { return stateWords[s] }, "level": level, "stepState": stepState, "stepLevel": stepLevel,
		"reason": reasonText, "hint": func(r events.Reason) string { return reasonWords[r].hint },
		"states": func() []events.State { return events.States }, "reasons": sortedReasons,
		"window": func(name string, w ops.Window) namedWindow { return namedWindow{name, w} },
		"gauge":  func(w namedWindow) template.HTML { return gauge(w.Used, w.Elsewhere, w.Limit, w.Name == "Day") },
		"rows":   func(v view, rows []events.Row) rowsPart { return rowsPart{v, rows} },
		"last":   lastAttempt, "needPage": needPage,
		"may": func(who identity, role string) bool { need, _ := ParseRole(role); return who.role >= need },
		"who": func(who identity) string { return who.name + " (" + who.role.String() + ")" },
		"raw": func(query string) template.URL { return template.URL(query) }, // made by url.Values.Encode
	}
}

type namedWindow struct {
	Name string
	ops.Window
}

type rowsPart struct {
	View view
	Rows []events.Row
}

func reasonText(r events.Reason) string {
	if w, ok := reasonWords[r]; ok {
		return w.text
	}
	return string(r)
}

func sortedReasons() []events.Reason {
	list := slices.Clone(events.Reasons)
	slices.Sort(list)
	return list
}

func lastAttempt(list []events.StepAttempt) *events.StepAttempt {
	if len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}

// level is how loud a state is shown.
func level(s events.State) string {
	switch s {
	case events.Failed:
		return "bad"
	case events.InDoubt, events.Parked:
		return "wait"
	case events.Done:
		return "ok"
	default:
		return "quiet"
	}
}

func stepLevel(s events.StepState) string {
	switch s {
	case events.StepFailed:
		return "bad"
	case events.StepDoubt, events.StepIntended:
		return "wait"
	case events.StepDone:
		return "ok"
	default:
		return "quiet"
	}
}

func stepState(s events.StepState) string {
	switch s {
	case events.StepDoubt:
		return "in doubt"
	case events.StepIntended:
		return "being sent"
	default:
		return string(s)
	}
}

// rowName is what a row is called: its id, or its key when the id was erased.
func rowName(r events.Row) string {
	if r.ID == "" {
		return r.Key
	}
	return r.ID
}

// query makes a query of pairs; empty values are left out.
func query(pairs ...any) template.URL {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if text := fmt.Sprint(pairs[i+1]); text != "" {
			q.Set(fmt.Sprint(pairs[i]), text)
		}
	}
	return template.URL(q.Encode())
}
