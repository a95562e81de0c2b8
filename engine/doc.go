// Package engine is the pure domain of Intervene: what a conversation is, which
// commands it takes, which events they make and what those change.
//
// [Decide] looks at a conversation and a command and answers events or a
// refusal; [Conversation.Apply] folds one event into a conversation and cannot
// fail. Nothing else changes a conversation. The package imports the standard
// library alone and never does I/O, reads a clock, draws a random number,
// starts a goroutine or logs: time and identifiers come in as arguments, so the
// same inputs give the same events for ever, which is what recovery, the
// verification of a journal and the simulation rest on.
package engine
