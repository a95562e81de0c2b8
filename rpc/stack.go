package rpc

import "github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"

// deepStack is what a call needs of its goroutine's stack, from here down to the journal
// and back. HTTP/2 gives each request a goroutine of its own, whose stack begins small:
// left alone it doubles four times on the way, and copies more frames each time.
const deepStack = 16 << 10

// watches are the procedures whose calls are streams that rest for hours, thousands at a
// time, on little stack.
var watches = map[string]bool{
	intervenev1connect.LiveChatServiceWatchBoardProcedure:        true,
	intervenev1connect.LiveChatServiceWatchConversationProcedure: true,
}

// growStack grows the stack at once to what a call will need, while it is shallow. The
// frame must be real: at keeps the compiler from seeing through it.
//
//go:noinline
func growStack(at int) byte {
	var room [deepStack]byte
	room[at] = 1
	return room[deepStack-1-at]
}
