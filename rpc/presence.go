package rpc

import (
	"context"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// UpdatePresence implements the service.
func (s service) UpdatePresence(ctx context.Context, r *intervenev1.UpdatePresenceRequest) (*intervenev1.UpdatePresenceResponse, error) {
	who := callerOf(ctx)
	if r.GetLeave() {
		s.options.Presences.Leave(who.Workspace, who.ID, r.GetSessionId())
		return &intervenev1.UpdatePresenceResponse{}, nil
	}
	p := engine.Presence{Workspace: who.Workspace, Agent: who.ID, Session: r.GetSessionId()}
	if r.GetConversationId() != "" {
		id, err := conversationID(r.GetConversationId())
		if err != nil {
			return nil, err
		}
		if _, err := s.visibleCard(ctx, id); err != nil {
			return nil, err
		}
		p.Viewing, p.Typing = id, r.GetTyping()
	}
	return &intervenev1.UpdatePresenceResponse{Lease: durationpb.New(s.options.Presences.Renew(p))}, nil
}

// presenceView is who is there in one workspace, as all streams that show it
// share it. It is a [view] of agents: a stream that is slow gets fewer, newer
// updates.
type presenceView struct {
	workspace engine.WorkspaceID
	stop      context.CancelFunc

	ended chan struct{} // closed when the backend's watch has returned
	err   error         // what it returned; read after ended

	mu     sync.Mutex
	seq    uint64 // numbers the updates; 0: the first has not come
	agents map[engine.AgentID]agentThere
	// forgotten: a place before it may show agents that are not there any more.
	forgotten uint64
	shared    map[uint64]*frame
	bells     map[bell]struct{}
}

type agentThere struct {
	wire    *intervenev1.AgentPresence
	changed uint64 // the update that said so
}

// agentsPlace is how far a stream has come; the zero one is of no view.
type agentsPlace struct {
	view *presenceView
	at   uint64
}

func (vs *views) joinAgents(ws engine.WorkspaceID, b bell) *presenceView {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	v := vs.agents[ws]
	if v == nil || isClosed(v.ended) {
		v = vs.openAgents(ws)
		vs.agents[ws] = v
	}
	v.mu.Lock()
	v.bells[b] = struct{}{}
	v.mu.Unlock()
	return v
}

// openAgents is called with mu held.
func (vs *views) openAgents(ws engine.WorkspaceID) *presenceView {
	ctx, stop := context.WithCancel(context.Background())
	v := &presenceView{
		workspace: ws, stop: stop, ended: make(chan struct{}),
		agents: make(map[engine.AgentID]agentThere), shared: make(map[uint64]*frame), bells: make(map[bell]struct{}),
	}
	go func() {
		defer v.end()
		defer func() { v.err = recovered(recover(), v.err) }()
		v.err = vs.presences.WatchPresence(ctx, ws, func(u engine.PresenceUpdate) error {
			return vs.rest(ctx, v.take(u))
		})
	}()
	return v
}

func (vs *views) leaveAgents(v *presenceView, b bell) {
	vs.mu.Lock()
	v.mu.Lock()
	delete(v.bells, b)
	last := len(v.bells) == 0
	v.mu.Unlock()
	if last && vs.agents[v.workspace] == v {
		delete(vs.agents, v.workspace)
	}
	vs.mu.Unlock()
	if last {
		v.stop()
		<-v.ended
	}
}

func (v *presenceView) end() {
	close(v.ended)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ring()
}

// ring is called with mu held.
func (v *presenceView) ring() {
	for b := range v.bells {
		b.ring()
	}
}

// take folds what the backend tells, and answers how many streams that wakes.
func (v *presenceView) take(u engine.PresenceUpdate) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.seq++
	if u.Complete {
		clear(v.agents)
		v.forgotten = v.seq
	}
	for _, a := range u.Agents {
		v.agents[a.Agent] = agentThere{agentPresenceOf(&a), v.seq}
	}
	clear(v.shared)
	v.ring()
	return len(v.bells)
}

// after is what a stream that stands at a place is told; nil: nothing.
func (v *presenceView) after(place uint64) (*frame, uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if place == v.seq {
		return nil, place
	}
	f := v.shared[place]
	if f == nil {
		f = v.make(place)
		if len(v.shared) < maxShared {
			v.shared[place] = f
		}
	}
	return f, v.seq
}

// make is called with mu held.
func (v *presenceView) make(place uint64) *frame {
	update := &intervenev1.PresenceUpdate{Complete: place < v.forgotten}
	for _, a := range v.agents {
		if update.Complete && a.wire.GetOnline() || !update.Complete && a.changed > place {
			update.Agents = append(update.Agents, a.wire)
		}
	}
	slices.SortFunc(update.Agents, func(a, b *intervenev1.AgentPresence) int { return strings.Compare(a.GetAgentId(), b.GetAgentId()) })
	return &frame{message: &intervenev1.WatchBoardResponse{Frame: &intervenev1.WatchBoardResponse_Presence{Presence: update}}}
}

// tellAgents sends who came, went or opened something else.
func (b *boardStream) tellAgents() error {
	if b.agents.view == nil {
		return nil
	}
	f, at := b.agents.view.after(b.agents.at)
	b.agents.at = at
	if f != nil {
		return b.sendFrame(f)
	}
	if isClosed(b.agents.view.ended) {
		return backendEnded(b.agents.view.err)
	}
	return nil
}

func agentPresenceOf(a *engine.AgentPresence) *intervenev1.AgentPresence {
	wire := &intervenev1.AgentPresence{AgentId: string(a.Agent), Online: a.Online}
	for _, v := range a.Viewing {
		wire.Viewing = append(wire.Viewing, &intervenev1.Viewing{ConversationId: v.Conversation.String(), Typing: v.Typing})
	}
	return wire
}

func viewersOf(viewers []engine.Viewer) *intervenev1.Viewers {
	wire := new(intervenev1.Viewers)
	for _, v := range viewers {
		wire.Viewers = append(wire.Viewers, &intervenev1.Viewer{AgentId: string(v.Agent), Typing: v.Typing})
	}
	return wire
}
