package keap

import (
	"fmt"
	"strconv"
	"strings"
)

// fault is XML-RPC's way to say no.
type fault struct {
	code int
	text string
}

func (a *answer) fault(operation string, f *fault) *Error {
	kind := faultKind(f)
	e := &Error{
		Kind: kind, Operation: operation, Hint: hints[kind], Status: a.status, Sent: true, Answered: true, Code: strconv.Itoa(f.code),
		Message: fmt.Sprintf("XML-RPC fault %d: %s", f.code, a.proof.hide(oneLine(f.text))),
	}
	if hint, ok := faultHints[f.code]; ok {
		e.Hint = hint
	}
	return e
}

// faultKind tells faults of what was asked, before which nothing ran, from those of Keap itself, during which it may
// have. The numbers are those of Keap's list; clients that have served for years repeat a call after 500 and after
// every number that is not known, and after none of the others.
func faultKind(f *fault) Kind {
	switch {
	case strings.Contains(f.text, "ThrottlingException"): // too many calls waited: this one was turned away
		return KindOverloaded
	case strings.Contains(f.text, "No method matching arguments"), strings.Contains(f.text, "Failed to parse XML-RPC request"):
		return KindFault
	case f.code == 1, f.code == 2, f.code >= 5 && f.code <= 15, f.code <= -32600 && f.code >= -32700:
		return KindFault
	}
	return KindServer // 3 Unexpected, 4 DatabaseError, 500 and the unknown
}

// faultHints explains the fault codes that an operator can do something about.
var faultHints = map[int]string{
	2:  hints[KindDenied],
	5:  "the contact or the action set was deleted or merged in Keap",
	12: "the action set or contact id is not what Keap takes",
	14: hints[KindForbidden],
}
