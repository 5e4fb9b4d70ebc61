// Package dispatch turns deliveries into verdicts: it plans an event (or resumes its stored plan), runs the
// steps that are not done yet, remembers each one, and judges what went wrong. It neither acks nor sleeps: a
// Verdict says what is to become of the event, and whoever delivered it acts on that.
//
// Lane holds the deliveries of one quota group and keeps each contact's order; Worker handles one delivery in
// straight-line code; judge is the table of failures.
package dispatch
