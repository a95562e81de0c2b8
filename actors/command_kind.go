package actors

import "github.com/intervenehq/intervene/engine"

// commandKind numbers the commands for their metrics. It is on no disk and no wire.
type commandKind uint8

func kindOf(body engine.CommandBody) commandKind {
	switch body.(type) {
	case engine.Receive:
		return 1
	case engine.RecordStatus:
		return 2
	case engine.AnswerTurn:
		return 3
	case engine.FailTurn:
		return 4
	case engine.SendMessage:
		return 5
	case engine.RequestAgent:
		return 6
	case engine.WithdrawRequest:
		return 7
	case engine.Intervene:
		return 8
	case engine.TakeOver:
		return 9
	case engine.Transfer:
		return 10
	case engine.Resolve:
		return 11
	case engine.MarkRead:
		return 12
	case engine.AddNote:
		return 13
	case engine.SetTags:
		return 14
	case engine.FireTimer:
		return 15
	case engine.AttemptSend:
		return 16
	case engine.RecordAttempt:
		return 17
	case engine.AcceptTurn:
		return 18
	case engine.Amend:
		return 19
	case engine.RecordEcho:
		return 20
	case engine.ChangeContact:
		return 21
	case engine.LinkContact:
		return 22
	case engine.SetConsent:
		return 23
	case engine.StartConversation:
		return 24
	case engine.ResendMessage:
		return 25
	case engine.Erase:
		return 26
	case engine.RecordMedia:
		return 27
	case engine.GiveUpSends:
		return 28
	default:
		return 0
	}
}

// commandNames are by commandKind.
var commandNames = [...]string{
	"unknown", "receive", "record_status", "answer_turn", "fail_turn", "send_message", "request_agent", "withdraw_request",
	"intervene", "take_over", "transfer", "resolve", "mark_read", "add_note", "set_tags", "fire_timer", "attempt_send",
	"record_attempt", "accept_turn", "amend", "record_echo", "change_contact", "link_contact", "set_consent", "start_conversation",
	"resend_message", "erase", "record_media", "give_up_sends",
}
