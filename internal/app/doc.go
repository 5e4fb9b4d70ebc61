// Package app puts the parts together. setup.go wires them in one straight function, top to bottom as an event
// passes left to right; what is opened there is closed in reverse by the teardown stack, whether a start failed
// half-way or the program ends. It decides nothing about events.
package app
