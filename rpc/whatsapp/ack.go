package whatsapp

import "net/http"

// ack is how a webhook request was answered; it is a metric's label.
type ack string

const (
	ackOK               ack = "ok"
	ackHandshake        ack = "handshake"
	ackBadRequest       ack = "bad_request"
	ackUnauthorized     ack = "unauthorized"
	ackForbidden        ack = "forbidden"
	ackNotFound         ack = "not_found"
	ackMethodNotAllowed ack = "method_not_allowed"
	ackTooLarge         ack = "too_large"
	ackUnavailable      ack = "unavailable"
	ackHungUp           ack = "hung_up" // or too slow; nobody may be there to read the answer
)

var acks = [...]ack{
	ackOK, ackHandshake, ackBadRequest, ackUnauthorized, ackForbidden, ackNotFound, ackMethodNotAllowed,
	ackTooLarge, ackUnavailable, ackHungUp,
}

func (a ack) status() int {
	switch a {
	case ackOK, ackHandshake:
		return http.StatusOK
	case ackBadRequest:
		return http.StatusBadRequest
	case ackUnauthorized:
		return http.StatusUnauthorized
	case ackForbidden:
		return http.StatusForbidden
	case ackNotFound:
		return http.StatusNotFound
	case ackMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case ackTooLarge:
		return http.StatusRequestEntityTooLarge
	case ackUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusRequestTimeout
	}
}
