//go:build race

package simulation

// raceMode: the race detector makes a day some ten times slower, so fewer of them run.
const raceMode = true
