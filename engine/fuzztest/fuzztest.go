// Package fuzztest holds what every fuzzer holds its decoder to beside its own
// laws: memory in proportion to the input, and errors that do not repeat it. Only
// tests import it.
package fuzztest

import (
	"runtime/metrics"
	"strings"
	"testing"
)

const (
	// perByte is how much a decoder may allocate for each byte of its input. The
	// worst that is right is an empty element of a repeated field: two bytes of
	// protobuf, and a struct on each side of the conversion.
	perByte = 1 << 10
	// slack is what any call may allocate, and what goes on beside it.
	slack = 4 << 20
	// Canary stands in seeds where content does.
	Canary = "c4n4ry-15550123"
)

// Bounded runs decode on an input of size bytes and holds what it allocates.
func Bounded(t testing.TB, size int, decode func()) {
	t.Helper()
	before := allocated()
	decode()
	if got, limit := allocated()-before, uint64(slack+perByte*size); got > limit {
		t.Errorf("%d bytes of input: got %d allocated, want at most %d", size, got, limit)
	}
}

// allocated is how many bytes of heap were ever allocated, as cheap as it can be
// known: what goroutines hold in reserve is not in it, which slack covers.
func allocated() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}

// Silent holds that err does not repeat the content that it is about.
func Silent(t testing.TB, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), Canary) {
		t.Errorf("got error %v, want none of the input in it", err)
	}
}
