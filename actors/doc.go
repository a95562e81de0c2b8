// Package actors runs conversations: one protoactor-go actor each puts
// customer, bot and agents into one order and makes what engine.Decide says
// durable before it answers.
//
// Around the actors stand the [Router], which is their directory; the [Inbox],
// which finds the conversation of what a platform delivers; the workers that do
// what conversations wait for ([Courier], [Turns], [Timers]); the [Board], which
// shows where conversations stand; and [Presences], which knows which agents are
// there. protoactor lives here and nowhere else. The package never knows the
// wire: what it needs of the network and the disk it asks for through the
// interfaces in ports.go.
package actors
