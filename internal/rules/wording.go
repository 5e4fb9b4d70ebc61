package rules

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
)

var (
	undefinedField = regexp.MustCompile(`^undefined field '([^']*)'`)
	undeclared     = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
)

// compileText puts a message of the CEL compiler into words for somebody who writes rules.
func compileText(message string) string {
	if m := undefinedField.FindStringSubmatch(message); m != nil {
		return "there is no field " + m[1] + suggestion(m[1], fieldNames())
	}
	if m := undeclared.FindStringSubmatch(message); m != nil {
		return "there is no variable or function " + m[1] + suggestion(m[1], []string{"event", "source", "now", "item", "with"})
	}
	return typeNames.Replace(message)
}

var typeNames = strings.NewReplacer(prefix+"view", "event", prefix+"origin", "source", prefix, "")

func typeText(t *cel.Type) string { return typeNames.Replace(t.String()) }

// runtimeText shortens an error of evaluation to what people can use.
func runtimeText(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, "actual cost limit exceeded"):
		return "the expression costs too much"
	case strings.HasPrefix(text, "no such attribute"):
		return "there is no item here"
	}
	return strings.TrimPrefix(text, "no such key: ") + map[bool]string{true: " is missing"}[strings.HasPrefix(text, "no such key: ")]
}

func fieldNames() []string {
	var names []string
	for _, d := range structs {
		names = append(names, d.names...)
	}
	return names
}

// suggestion names the closest of the known words, if one is close enough to be what was meant.
func suggestion(word string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := distance(word, k); d < at || d == at && k < best {
			best, at = k, d
		}
	}
	if best == "" || at >= 3 || at >= len(word) {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
