// Package configs holds the configuration of bridge demo and a sample payload for the kinds of senders that it has.
// The files beside it are for people; nothing else of the program reads them.
package configs

import (
	"embed"
	"strings"
	"time"
)

//go:embed demo.yaml testdata
var files embed.FS

// Demo returns the files of the demo's configuration by name; demo.yaml is the one to load.
func Demo() (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, name := range []string{"demo.yaml", "testdata/woo-paid.json", "testdata/form.json", "testdata/membership-started.json"} {
		b, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out[name] = b
	}
	return out, nil
}

// sampleDay is the date in the samples; Sample moves it to the day before now, so that no sample is ever too old.
const sampleDay = "2026-11-20"

// Sample returns a payload under testdata, with its dates moved to the day before now.
func Sample(name string, now time.Time) (string, error) {
	b, err := files.ReadFile("testdata/" + name)
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(string(b), sampleDay, now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)), nil
}
