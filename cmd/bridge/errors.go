package main

import "fmt"

// hinter is an error that knows the next step.
type hinter interface{ Hint() string }

// hintedError adds a next step to an error.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// Hint implements hinter.
func (e *hintedError) Hint() string { return e.hint }

func hintf(hint, format string, args ...any) error {
	return &hintedError{fmt.Errorf(format, args...), hint}
}

// usageError is wrong usage or configuration: exit code 2.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Hint implements hinter.
func (e *usageError) Hint() string { return e.hint }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...), hint}
}

// toldError is a failure whose text the command has printed itself.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }
