package ops

import "fmt"

// ErrorKind sorts errors by what their reader can do.
type ErrorKind uint8

// The kinds of errors.
const (
	Invalid   ErrorKind = iota // the request cannot be understood
	NotFound                   // there is no such thing
	Ambiguous                  // there are several of that name
	Conflict                   // not in the state that it is in
	Outside                    // Keap says no, or nothing
)

// Error is what a person may read; Cause is for the log.
type Error struct {
	Kind    ErrorKind
	Message string
	Hint    string // the next step, where there is one
	Cause   error
}

// Error gives message and hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

func fail(kind ErrorKind, hint, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Hint: hint}
}
