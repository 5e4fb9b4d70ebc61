package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is something wrong in a file, where a person can find it.
type Mistake struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // from 1; 0 where the whole file is meant
	Column int    `json:"column"` // from 1, in characters
	Text   string `json:"text"`
	Hint   string `json:"hint,omitempty"` // what to do about it
}

// String is file:line:column: text, the form that editors jump to.
func (m Mistake) String() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", m.Line, m.Column)
	}
	b.WriteString(": " + m.Text)
	if m.Hint != "" {
		b.WriteString(" (" + m.Hint + ")")
	}
	return b.String()
}

// Mistakes are all that is wrong, by file and place.
type Mistakes []Mistake

// Error lists them, one a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// sort orders by place and drops what was found twice.
func (m Mistakes) sort() Mistakes {
	slices.SortStableFunc(m, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(m)
}
