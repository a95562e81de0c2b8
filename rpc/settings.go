package rpc

import (
	"maps"
	"net/http"
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// Settings are what of a [Server] may change while it serves.
type Settings struct {
	// Channels are all that there are, with whose they are.
	Channels map[engine.ChannelID]engine.WorkspaceID
	// Policies say what workspaces allow their agents, which their pages show; the
	// engine decides. Of one that is not there nothing is known.
	Policies map[engine.WorkspaceID]engine.Policy
	// AllowedOrigins are those of pages served elsewhere that may call: scheme,
	// host and port, as browsers write them.
	AllowedOrigins []string
	// ReadReceipts lets MarkRead tell the customer's platform, too.
	ReadReceipts bool
}

// served is one generation of Settings, ready to serve. It never changes.
type served struct {
	Settings
	// channelsOf are those of each workspace.
	channelsOf map[engine.WorkspaceID][]engine.ChannelID
	handler    http.Handler
}

// Reconfigure makes next ready, and answers what puts it into force, for calls that
// begin after it. Calls and streams that are open go on.
func (s *Server) Reconfigure(next Settings) (serve func(), err error) {
	handler, err := crossOrigin(next.AllowedOrigins, s.inner)
	if err != nil {
		return nil, err
	}
	ready := &served{Settings: next, channelsOf: channelsOf(next.Channels), handler: handler}
	return func() {
		s.served.Store(ready)
		s.templates.forget() // a channel may be another account's now
	}, nil
}

// channelsOf turns all channels around: those of each workspace, in order.
func channelsOf(all map[engine.ChannelID]engine.WorkspaceID) map[engine.WorkspaceID][]engine.ChannelID {
	channels := make(map[engine.WorkspaceID][]engine.ChannelID)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		channels[all[id]] = append(channels[all[id]], id)
	}
	return channels
}
