package queue

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Fault is an error for two people: Message and Hint may be shown to anybody, Cause is for the log.
type Fault struct {
	Message string
	Hint    string // next step; may be empty
	Cause   error  // may be nil
}

func (f *Fault) Error() string {
	if f.Cause == nil {
		return f.Message
	}
	return f.Message + ": " + f.Cause.Error()
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Errors that callers tell apart.
var (
	// ErrTooLarge: the event does not fit into one message of the server; trying again cannot help.
	ErrTooLarge = errors.New("the event is larger than the queue takes")
	// ErrUnavailable: the event could not be made durable now; it was not accepted.
	ErrUnavailable = errors.New("the event cannot be made durable now")
	// ErrLostOwnership: another process may own the quota group.
	ErrLostOwnership = errors.New("another process may own the quota group")
	// ErrUnknownEvent: the log does not hold the event (any more).
	ErrUnknownEvent = errors.New("the log holds no such event")
	// ErrClosed: the queue is closing.
	ErrClosed = errors.New("the queue is closed")
	// ErrLocked: another process uses the data directory.
	ErrLocked = errors.New("another process uses the data directory")
)

// lockedError is ErrLocked with the file and the system's own words, which Fault.Message need not say again.
type lockedError struct {
	path string
	err  error
}

func (e *lockedError) Error() string   { return e.path + ": " + e.err.Error() }
func (e *lockedError) Unwrap() []error { return []error{ErrLocked, e.err} }

// Error codes of the JetStream API that mean something to us.
const (
	codeDuplicateInBatch jetstream.ErrorCode = 10201
	codeFilterNotUnique  jetstream.ErrorCode = 10100
	codeWrongLast        jetstream.ErrorCode = 10071
	codeWrongLastConst   jetstream.ErrorCode = 10164
	codeNoCluster        jetstream.ErrorCode = 10008 // no leader just now
	codeInProcess        jetstream.ErrorCode = 10158 // a message of the same id is on its way through the cluster
)

// hasCode tells whether err is an answer of the JetStream API with one of codes.
func hasCode(err error, codes ...jetstream.ErrorCode) bool {
	var api jetstream.JetStreamError
	if !errors.As(err, &api) || api.APIError() == nil {
		return false
	}
	for _, c := range codes {
		if api.APIError().ErrorCode == c {
			return true
		}
	}
	return false
}

// lostRace tells whether a compare-and-set found another value than expected.
func lostRace(err error) bool { return hasCode(err, codeWrongLast, codeWrongLastConst) }

func fault(message, hint string, format string, args ...any) *Fault {
	return &Fault{Message: message, Hint: hint, Cause: fmt.Errorf(format, args...)}
}
