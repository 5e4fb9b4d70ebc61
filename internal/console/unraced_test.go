//go:build !race

package console

// raced tells that the race detector is on: SQLite is some ten times slower with it.
const raced = false
