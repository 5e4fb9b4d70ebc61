package main

import (
	"bytes"
	"os"
	"testing"
)

// TestInk: colours are for terminals only, and NO_COLOR switches them off there too.
func TestInk(t *testing.T) {
	if inkFor(&bytes.Buffer{}) {
		t.Error("colours in a pipe")
	}
	tty, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	t.Setenv("NO_COLOR", "")
	if got := inkFor(tty).paint(red, "failed"); got != "\x1b[31mfailed\x1b[0m" {
		t.Errorf("%q", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := inkFor(tty).paint(red, "failed"); got != "failed" {
		t.Errorf("%q", got)
	}
}
