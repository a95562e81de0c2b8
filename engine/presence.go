package engine

// Presence is the lease of one session: a tab or a device of an agent. It is
// never journaled.
type Presence struct {
	Workspace WorkspaceID
	Agent     AgentID
	Session   string
	// Viewing is what is open there; zero: nothing.
	Viewing ConversationID
	Typing  bool
}

// AgentPresence is all that is told of one agent.
type AgentPresence struct {
	Agent  AgentID
	Online bool
	// Viewing is in the order of the conversations' IDs, each once.
	Viewing []Viewing
}

// Viewing is one conversation that an agent has open.
type Viewing struct {
	Conversation ConversationID
	Typing       bool
}

// PresenceUpdate is what changed since the update before.
type PresenceUpdate struct {
	// Complete: Agents are all that are online, and replace what was known.
	Complete bool
	Agents   []AgentPresence
}

// Viewer is one agent that has a conversation open.
type Viewer struct {
	Agent  AgentID
	Typing bool
}
