package config

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bridge/internal/keap"
	"bridge/internal/rules"
	"bridge/internal/sources"
)

// Templates compiles the texts of sources with the language of the rules.
type Templates struct{}

// Compile implements sources.Templates.
func (Templates) Compile(text string) (func(map[string]any) (string, error), error) {
	fill, err := rules.CompileTemplate(text, "body", "header", "query", "received", "item")
	if m := (rules.Mistake{}); errors.As(err, &m) {
		return nil, fmt.Errorf("at character %d: %s", m.Offset+1, m.Text)
	}
	return fill, err
}

// SourceDeps is enough of the world to build sources that are only looked at: to check a configuration, to parse a
// sample. They reach nobody.
func SourceDeps() sources.Deps {
	return sources.Deps{Template: Templates{}, Certificates: nowhere{}, HTTP: &http.Client{Transport: nowhere{}}, Keap: nowhere{}}
}

// nowhere answers nothing.
type nowhere struct{}

var errNowhere = errors.New("the network is not used here")

func (nowhere) Certificate(context.Context, string) ([]byte, error) { return nil, errNowhere }
func (nowhere) RoundTrip(*http.Request) (*http.Response, error)     { return nil, errNowhere }
func (nowhere) Pending(string, string) bool                         { return false }
func (nowhere) Ours(string, string, string, time.Time) bool         { return false }

// keapWords splits an error of keap into what is wrong and what to do.
func keapWords(err error) (text, hint string) {
	var e *keap.Error
	if errors.As(err, &e) {
		return e.Message, e.Hint
	}
	return err.Error(), ""
}
