// Package demo plays a whole working day around a real engine in one process:
// customers who write, a network that loses, repeats, reorders and forges,
// agents who race each other, and a ledger of all of it.
//
// It never looks inside the engine. Customers reach it through signed webhooks
// on real sockets, agents through the public API, and what it did is read back
// through that API and from the stand-in's delivery log: a bug that the engine
// shares with its own checks would hide from them, not from the ledger.
//
// It prints no phone number and no message text.
package demo
