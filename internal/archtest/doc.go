// Package archtest holds the laws of the house as tests: which package may import which, who alone may talk to
// NATS and SQLite, how long a file may be, that every package says what it is for and every Reason is documented.
// docs/adr/0001-house.md has the reasons. Change a law there first.
package archtest
