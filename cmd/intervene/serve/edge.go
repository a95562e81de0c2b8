package serve

import (
	"io"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/media"
	"github.com/intervenehq/intervene/rpc"
)

// edgeOptions are what the Connect edge works with.
func (e *Engine) edgeOptions(inbox *actors.Inbox) rpc.Options {
	return rpc.Options{
		Commands: e.router, Conversations: e.journal, Boards: e.board, Presences: e.presence,
		Starter: inbox, References: references{e.journal}, Identities: e.journal, Overviews: e.overviews, DeadLetters: e.journal,
		Templates: e.graph, Receipts: e.graph, Media: e.files,
		Settings: settingsOf(e.config.Load()), Tokens: e.tokens, SessionKey: e.sessionKey,
		JournalID: e.journal.ID(), Ready: e.Ready, Shed: e.memory.short, Interceptors: e.interceptors(),
		Metrics: e.registry, Log: e.log,
	}
}

func settingsOf(c *config.Config) rpc.Settings {
	return rpc.Settings{
		Channels: workspacesOf(c), Policies: policiesOf(c), AllowedOrigins: c.AllowedOrigins, ReadReceipts: c.ReadReceipts,
	}
}

func workspacesOf(c *config.Config) map[engine.ChannelID]engine.WorkspaceID {
	workspaces := make(map[engine.ChannelID]engine.WorkspaceID)
	for _, w := range c.Workspaces {
		for _, channel := range w.Channels {
			workspaces[channel.ID] = w.ID
		}
	}
	return workspaces
}

// uploads opens files for the Graph API, which needs no size.
type uploads struct{ files *media.Store }

// Open is the Store's own.
func (u uploads) Open(id engine.ConversationID, blob engine.BlobID) (io.ReadCloser, error) {
	file, _, err := u.files.Open(id, blob)
	return file, err
}

type references struct{ journal *journal.Journal }

// ByExternal knows what was sent. The edge finds what came by looking back.
func (r references) ByExternal(channel engine.ChannelID, external string) (engine.MessageID, bool, error) {
	return r.journal.BySend(channel, external)
}
