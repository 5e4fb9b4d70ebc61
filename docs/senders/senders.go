// Package senders holds the pages about the kinds of senders, one file a kind, for people who read the folder and for the
// console, which shows the steps of a page beside the source's own address.
package senders

import (
	"embed"
	"strings"
)

//go:embed [a-z]*.md
var pages embed.FS

// What the pages write for an address.
const (
	anyAddress  = "https://<your host>/hooks/<account>/<source>"
	anySubject  = "ingest.<account>.<source>"
	pathSecret  = "/<path_secret>"
	stepsBegin  = "\n## Set up\n"
	nextSection = "\n## "
)

// Steps are the steps that set a sender of this kind up, in order, as plain text with the source's own address (of HTTP or NATS)
// in it; none for a kind without a page.
func Steps(kind, address string) []string {
	page, err := pages.ReadFile(kind + ".md")
	if err != nil {
		return nil
	}
	_, section, _ := strings.Cut(string(page), stepsBegin)
	section, _, _ = strings.Cut(section, nextSection)
	plain := strings.NewReplacer(anyAddress+pathSecret, address, anyAddress, address, anySubject, address, "`", "")
	var steps []string
	for line := range strings.Lines(section) {
		number, text, ok := strings.Cut(strings.TrimSpace(line), ". ")
		if ok && strings.Trim(number, "0123456789") == "" {
			steps = append(steps, unmarked(plain.Replace(text)))
		}
	}
	return steps
}

// unmarked puts what is *emphasised*, words on a sender's screen, into quotation marks.
func unmarked(text string) string {
	parts := strings.Split(text, "*")
	if len(parts)%2 == 0 {
		return text // a star that is none of the pairs
	}
	var b strings.Builder
	for i, p := range parts {
		b.WriteString(p)
		switch {
		case i == len(parts)-1:
		case i%2 == 0:
			b.WriteString("“")
		default:
			b.WriteString("”")
		}
	}
	return b.String()
}
