// Package flow is the bot that needs no code: a YAML file of nodes says what is
// said, asked and called, and when a person is asked for. docs/FLOWS.md explains
// the file to who writes one.
//
// A flow answers a turn from the turn, the clock and the answers of what it
// calls: the same turn, asked again at the same time, is answered the same. It
// keeps nothing between turns but the variables that it hands back, never answers
// what came while a person held the conversation, and never says or remembers
// more than the engine takes.
package flow
