//go:build !race

package simulation

// raceMode: see race_on_test.go.
const raceMode = false
