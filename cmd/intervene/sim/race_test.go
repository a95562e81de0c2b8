//go:build sim && race

package sim

const raceEnabled = true
