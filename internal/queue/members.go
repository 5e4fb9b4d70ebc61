package queue

import "context"

// membership tells which processes live and which of them is to own a unit.
type membership interface {
	self() string
	owner(unit string) string    // the process that is to own it; "" when nobody can
	alive(process string) bool   // it may still act
	valid() bool                 // this process may act: the others believe that it lives
	changed() <-chan struct{}    // closed when owner may answer otherwise
	leave(context.Context) error // ends; the others take over at once
}

// alone is the membership of an embedded server: its store is locked, so there is nobody else, and nothing needs
// to be renewed.
type alone string

func (a alone) self() string                { return string(a) }
func (a alone) owner(string) string         { return string(a) }
func (a alone) alive(process string) bool   { return process == string(a) }
func (a alone) valid() bool                 { return true }
func (a alone) changed() <-chan struct{}    { return nil }
func (a alone) leave(context.Context) error { return nil }
