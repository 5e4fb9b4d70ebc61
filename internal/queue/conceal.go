package queue

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bridge/internal/events"
)

// What stands in OUTCOMES for the data of a person. The log is written once and cannot be searched for a person, so
// that an erasure leaves it as it is; the event itself says who it was, as long as it is kept.
const (
	concealedEmail = "[e-mail]"
	concealed      = "[hidden]"
)

// addresses matches more than what RFC 5321 allows rather than less.
var addresses = regexp.MustCompile(`(?i)[^\s"'<>()\[\]{},;:=/?&|]+(@|%40)[^\s"'<>()\[\]{},;:=/?&|]*[\pL\pN]`)

// concealEmails hides every e-mail address in a text.
func concealEmails(text string) string {
	if !strings.ContainsRune(text, '@') && !strings.Contains(text, "%40") {
		return text
	}
	return addresses.ReplaceAllString(text, concealedEmail)
}

// shortest is the least length of a name that is looked for: shorter ones are parts of other words.
const shortest = 2

// conceal hides e-mail addresses in a text, and whatever the event knows of its person.
func conceal(text string, e *events.Event) string {
	if text == "" {
		return ""
	}
	text = concealEmails(text)
	if e == nil || e.Data.Contact == nil {
		return text
	}
	c := e.Data.Contact
	private := []string{c.Phone, events.NormalPhone(c.Phone), c.FirstName, c.LastName, c.Company}
	if a := c.Address; a != nil {
		private = append(private, a.Line1, a.Line2)
	}
	// The longest first: one may be part of another.
	slices.SortFunc(private, func(a, b string) int { return len(b) - len(a) })
	for _, p := range private {
		if p = strings.TrimSpace(p); utf8.RuneCountInString(p) >= shortest {
			text = hideWord(text, p)
		}
	}
	return text
}

// hideWord replaces word where it stands for itself, in whatever case. Bytes that are no UTF-8 count as U+FFFD each: so package
// regexp reads a text that has them, while it takes no pattern that does.
func hideWord(text, word string) string {
	find := regexp.MustCompile(`(?i)` + regexp.QuoteMeta(string([]rune(word))))
	var out strings.Builder
	from := 0
	for _, at := range find.FindAllStringIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, _ := utf8.DecodeRuneInString(text[at[1]:])
		if partOfWord(before) || partOfWord(after) {
			continue
		}
		out.WriteString(text[from:at[0]])
		out.WriteString(concealed)
		from = at[1]
	}
	out.WriteString(text[from:])
	return out.String()
}

func partOfWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// concealAll hides the event's person in all that an outcome says. What the caller shares stays as it is.
func concealAll(o *events.Outcome, e *events.Event) {
	o.Detail = conceal(o.Detail, e)
	var steps []events.StepReport
	for i, s := range o.Steps {
		if !slices.ContainsFunc(s.Attempts, func(a events.StepAttempt) bool { return a.Detail != "" }) {
			continue
		}
		if steps == nil {
			steps = slices.Clone(o.Steps)
		}
		attempts := slices.Clone(s.Attempts)
		for n := range attempts {
			attempts[n].Detail = conceal(attempts[n].Detail, e)
		}
		steps[i].Attempts = attempts
	}
	if steps != nil {
		o.Steps = steps
	}
	if c := o.Call; c != nil && c.Error != "" {
		report := *c
		report.Error = conceal(c.Error, e)
		o.Call = &report
	}
}

// says tells whether an outcome holds any text that could name somebody.
func says(o *events.Outcome) bool {
	return o.Detail != "" || o.Call != nil && o.Call.Error != "" ||
		slices.ContainsFunc(o.Steps, func(s events.StepReport) bool {
			return slices.ContainsFunc(s.Attempts, func(a events.StepAttempt) bool { return a.Detail != "" })
		})
}
