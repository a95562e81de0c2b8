// Package sim runs the whole engine in virtual time and holds it against its
// guarantees. It is all tests: nothing of it is in the binary.
//
// One seed decides a simulation: customers write, react, edit, revoke and send pictures
// through a stand-in for WhatsApp that repeats, shuffles and redelivers, to the real
// webhook; real actors decide on a real journal, whose file system loses power with
// half of what was not synced; the real courier, downloads, bot turns, timers, erasures
// and board do their work while agents race, half of them over the real Connect edge.
// Bots are of the engine's process or of others, which are asked by signed posts or by
// Connect, lose what they answer, and submit late to whatever life is up. Pages watch
// boards and conversations over that, fall asleep, are cut off and resume, and their tabs
// say who is there. Disks are lost and brought back from a backup, and in the end all
// is left alone until it is old. Whatever anybody outside the engine was told stands in
// a ledger, and an auditor compares it with what is there after each crash and at the
// end; it reads the log as well. What a page shows is compared whenever its stream has
// been quiet while nothing became durable; who it shows to be there, whenever nobody
// came or went for 3 s. The auditor is tested too: bugs are planted in a copy of the
// engine, and each must be found.
//
// It never looks into the engine while it runs, and no socket or real file is
// touched.
//
// # What a seed does not decide
//
// What each customer, agent and disk does is drawn from the seed by its own name
// and number; what the network and the bot do, by name, in order of asking. A
// simulation runs on one processor. Still the Go runtime picks among ready goroutines
// and the cases of a select, orders maps, and draws the jitter of the courier's
// retries and the ages of streams by itself. So a seed is a strong hint rather than a recording: of four
// planted bugs that only some seeds find, the seed that found one found it again
// in 5 to 10 of 10 runs. That is what -replays is for.
//
// # What is not simulated
//
// Reads of the disk do not fail, it never fills, and customers write what can be read:
// nothing is quarantined or parked. The stand-in does not list templates, half of
// people's commands, conversations that they begin and files are given to what stands
// behind the edge, and what goes through its handlers and clients goes through no HTTP
// connection. Those have tests of their own. The wall clock cannot part from the
// monotonic one in virtual time, so a clock only jumps while the engine is down, and
// the journal's own is some minutes off. Changes of a directory that were not synced
// survive a crash all or none, as on ext4 and xfs.
package sim
