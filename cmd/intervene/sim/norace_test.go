//go:build sim && !race

package sim

const raceEnabled = false
