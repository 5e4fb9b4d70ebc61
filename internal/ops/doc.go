// Package ops holds every verb of the people who run the bridge, once: list, show, replay, discard, undo, resolve,
// erase, pause, publish, status, costs. The command line, the API and the console all call the same Desk.
//
// Use a Desk for whatever a person asks for. It finds events through an index (which may be some milliseconds
// behind), acts through the queue, writes who did what to the audit before it acts, and runs what takes long as a
// Job with progress. It knows neither HTTP nor terminals, and decides nobody's permission: that is the caller's.
//
// Errors are *Error where the person who asked can do something about them; anything else is a failure inside.
package ops
