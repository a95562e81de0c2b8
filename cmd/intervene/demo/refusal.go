package demo

import (
	"errors"
	"strconv"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
)

// Reasons of refusals, as the API names them.
const (
	reasonHeldByOther   = "HELD_BY_OTHER"
	reasonNotHolder     = "NOT_HOLDER"
	reasonBotFenced     = "BOT_FENCED"
	reasonWindowClosed  = "WINDOW_CLOSED"
	reasonStaleEpoch    = "STALE_EPOCH"
	reasonCommandReused = "COMMAND_REUSED"
)

// refusal is an error of the API taken apart. Zero: there was none.
type refusal struct {
	code   connect.Code
	reason string
	holder string
	epoch  uint64
}

// refusalOf reads err; false: the command's outcome is not known.
func refusalOf(err error) (refusal, bool) {
	failed, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return refusal{}, false
	}
	r := refusal{code: failed.Code()}
	for _, detail := range failed.Details() {
		value, err := detail.Value()
		info, ok := value.(*errdetails.ErrorInfo)
		if err != nil || !ok {
			continue
		}
		r.reason, r.holder = info.GetReason(), info.GetMetadata()["holder"]
		if epoch, err := strconv.ParseUint(info.GetMetadata()["epoch"], 10, 64); err == nil {
			r.epoch = epoch
		}
	}
	switch r.code {
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted,
		connect.CodeInternal, connect.CodeUnknown, connect.CodeCanceled:
		return r, false
	}
	return r, true
}
