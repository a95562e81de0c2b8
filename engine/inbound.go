package engine

// Inbound is one item that a platform delivered to a channel: exactly one of
// these.
type Inbound struct {
	Workspace WorkspaceID
	Channel   ChannelID
	Message   *Receive
	Status    *Status
	Amend     *Amend
	Echo      *RecordEcho
	Change    *ChangeContact
	Consent   *SetConsent
}

// Status is what the platform reports of a message that was sent to it.
type Status struct {
	// External is the platform's ID of the message.
	External string
	// Op is the ID that the send carried along, when the report echoes it.
	Op    MessageID
	State DeliveryState
	Error int32
	// Detail is what the platform says of the error.
	Detail string
	At     Instant
}

// Parked is an item that waits until its conversation can be loaded again.
type Parked struct {
	Conversation ConversationID
	At           Instant // when it came
	Item         Inbound
}

// Outbound is one attempt to send a message.
type Outbound struct {
	// ID travels along and comes back in statuses.
	ID      MessageID
	Channel ChannelID
	To      Contact
	Content Content
	ReplyTo string
	Attempt uint32
}
