// Package rules says which Keap steps an event means.
//
// Rules are configuration (Rule, Step): Library.Compile checks all of them and returns every mistake at once, each
// with its path inside the YAML and its offset inside the text. The Set that comes of it is pure: Match tells which
// rules apply to an event, Plan what they come to. Neither does I/O nor looks at a clock: the time is an argument.
//
// Conditions and the {{ }} in texts are CEL (https://cel.dev). They see event, source, now, with and, in the texts
// of steps, item. All are type-checked when they are compiled and run under a cost limit, so that no expression
// can hold up an account; what fails at run time is an *Error that names its place.
//
// Equal rules are compiled once for each Library and shared by every Set. Sets and Libraries are safe for
// concurrent use. Do not rely on the order in which maps (fields, utm) are written to Keap.
package rules
