// Package journal is the durable log of Intervene, on Pebble.
//
// It keeps what package engine decided: [Journal.Append] answers once its
// events are on the disk, with everything that is read besides: heads,
// snapshots, boards, due work, identities, and the log that tells what changed.
// All of that is derived from the events, and [Verify] derives it anew.
//
// One goroutine, the committer, orders all appends: it checks versions and
// claims, gives offsets and applies one batch after another. A second one, the
// publisher, waits for each batch's fsync, answers its appends and publishes
// its changes, in offset order. Nothing that is not durable is ever shown:
// every read waits until what it saw is.
//
// The package never decides anything, never changes what it was given, and
// never guesses: what it does not know or what does not fit together is
// [engine.CodeCorrupt]. When a write or an fsync fails the process ends,
// because after that nobody knows what the disk holds; a failed read is its
// reader's error.
//
// docs/JOURNAL.md holds the table of keys, the guarantees and the limits.
package journal
