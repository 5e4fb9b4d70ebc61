package main

import (
	"io"
	"os"

	"bridge/internal/events"
)

// ink colours words for terminals, and leaves them alone everywhere else and where NO_COLOR is set.
type ink bool

func inkFor(w io.Writer) ink { return ink(terminal(w) && os.Getenv("NO_COLOR") == "") }

// The colours, of the terminal's own palette.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	bold   = "1"
	dim    = "2"
)

func (on ink) paint(colour, text string) string {
	if !on || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// stateColours say at a glance who has to do something: red, a person; yellow, time; the rest, nobody.
var stateColours = map[events.State]string{
	events.Failed: red, events.InDoubt: red, events.Parked: yellow, events.Working: blue, events.Done: green, events.StateDiscarded: dim,
}
