package rpc

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// commandTimeout is how long a command may take, whatever the caller allows.
const commandTimeout = 15 * time.Second

// namedRequest is what all commands have.
type namedRequest interface {
	proto.Message
	GetCommandId() string
}

// commandRequest is what all commands on a conversation have.
type commandRequest interface {
	namedRequest
	GetConversationId() string
	GetExpectedEpoch() uint64
}

// do gives the command that request asks for to its conversation. When it
// returns nil, the command is durable.
func (s *Server) do(ctx context.Context, request commandRequest, body engine.CommandBody) (engine.ConversationID, engine.Receipt, error) {
	id, err := conversationID(request.GetConversationId())
	if err != nil {
		return id, engine.Receipt{}, err
	}
	cmd, err := command(ctx, request, body)
	if err != nil {
		return id, engine.Receipt{}, err
	}
	cmd.Epoch = request.GetExpectedEpoch()
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	receipt, err := s.options.Commands.Do(ctx, id, cmd)
	if err != nil {
		return id, engine.Receipt{}, fmt.Errorf("do command: %w", err)
	}
	return id, receipt, nil
}

// command is what the caller asks for by request.
func command(ctx context.Context, request namedRequest, body engine.CommandBody) (engine.Command, error) {
	who := callerOf(ctx)
	cmd := engine.Command{Workspace: who.Workspace, By: who.party(), Body: body}
	var err error
	if cmd.ID, err = commandID(request.GetCommandId()); err != nil {
		return cmd, err
	}
	cmd.Digest, err = digest(who.ID, request)
	return cmd, err
}

// card is do for the commands that answer with the card alone.
func (s *Server) card(ctx context.Context, request commandRequest, body engine.CommandBody) (*intervenev1.Card, error) {
	_, receipt, err := s.do(ctx, request, body)
	if err != nil {
		return nil, err
	}
	return cardOf(&receipt.Card), nil
}

func conversationID(s string) (engine.ConversationID, error) {
	id, err := engine.ParseConversationID(s)
	if err != nil {
		return id, invalid("conversation_id", "must be the id of a conversation")
	}
	return id, nil
}

// commandID reads a UUID of any version in either case; all of them but the
// one that says that there is none.
func commandID(s string) (engine.CommandID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id == uuid.Nil {
		return engine.CommandID{}, invalid("command_id", "must be a UUID, and not the nil UUID")
	}
	return engine.CommandID(id), nil
}

// commandIDField is the name of the field that a digest leaves out.
const commandIDField = "command_id"

// digest is what a retry must repeat: the procedure, which the request's type
// names, who calls, and everything that the request says.
func digest(by engine.AgentID, request namedRequest) (engine.Digest, error) {
	payload := request.ProtoReflect()
	field := payload.Descriptor().Fields().ByName(commandIDField)
	id := payload.Get(field)
	payload.Clear(field) // the request is this call's own: cheaper than a clone
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	payload.Set(field, id)
	if err != nil {
		return engine.Digest{}, fmt.Errorf("marshal command for its digest: %w", err)
	}
	h := sha256.New()
	for _, part := range []string{string(payload.Descriptor().FullName()), string(by)} {
		h.Write([]byte(part))
		h.Write([]byte{0}) // stands in neither
	}
	h.Write(encoded)
	return engine.Digest(h.Sum(nil)[:len(engine.Digest{})]), nil
}

// RequestAgent implements the service.
func (s service) RequestAgent(ctx context.Context, r *intervenev1.RequestAgentRequest) (*intervenev1.RequestAgentResponse, error) {
	card, err := s.card(ctx, r, engine.RequestAgent{Reason: r.GetReason()})
	if err != nil {
		return nil, err
	}
	return &intervenev1.RequestAgentResponse{Card: card}, nil
}

// WithdrawRequest implements the service.
func (s service) WithdrawRequest(ctx context.Context, r *intervenev1.WithdrawRequestRequest) (*intervenev1.WithdrawRequestResponse, error) {
	card, err := s.card(ctx, r, engine.WithdrawRequest{})
	if err != nil {
		return nil, err
	}
	return &intervenev1.WithdrawRequestResponse{Card: card}, nil
}

// Intervene implements the service.
func (s service) Intervene(ctx context.Context, r *intervenev1.InterveneRequest) (*intervenev1.InterveneResponse, error) {
	card, err := s.card(ctx, r, engine.Intervene{})
	if err != nil {
		return nil, err
	}
	return &intervenev1.InterveneResponse{Card: card}, nil
}

// TakeOver implements the service.
func (s service) TakeOver(ctx context.Context, r *intervenev1.TakeOverRequest) (*intervenev1.TakeOverResponse, error) {
	card, err := s.card(ctx, r, engine.TakeOver{})
	if err != nil {
		return nil, err
	}
	return &intervenev1.TakeOverResponse{Card: card}, nil
}

// Transfer implements the service.
func (s service) Transfer(ctx context.Context, r *intervenev1.TransferRequest) (*intervenev1.TransferResponse, error) {
	to := engine.AgentID(r.GetToAgentId())
	if _, known := s.options.Tokens.table().human(callerOf(ctx).Workspace, to); !known {
		return nil, invalid("to_agent_id", "must be one of the workspace's agents")
	}
	card, err := s.card(ctx, r, engine.Transfer{To: to})
	if err != nil {
		return nil, err
	}
	return &intervenev1.TransferResponse{Card: card}, nil
}

// Resolve implements the service.
func (s service) Resolve(ctx context.Context, r *intervenev1.ResolveRequest) (*intervenev1.ResolveResponse, error) {
	card, err := s.card(ctx, r, engine.Resolve{})
	if err != nil {
		return nil, err
	}
	return &intervenev1.ResolveResponse{Card: card}, nil
}

// MarkRead implements the service.
func (s service) MarkRead(ctx context.Context, r *intervenev1.MarkReadRequest) (*intervenev1.MarkReadResponse, error) {
	_, receipt, err := s.do(ctx, r, engine.MarkRead{})
	if err != nil {
		return nil, err
	}
	s.tellRead(ctx, &receipt.Card)
	return &intervenev1.MarkReadResponse{Card: cardOf(&receipt.Card)}, nil
}

// AddNote implements the service.
func (s service) AddNote(ctx context.Context, r *intervenev1.AddNoteRequest) (*intervenev1.AddNoteResponse, error) {
	card, err := s.card(ctx, r, engine.AddNote{Body: r.GetBody()})
	if err != nil {
		return nil, err
	}
	return &intervenev1.AddNoteResponse{Card: card}, nil
}

// SetTags implements the service.
func (s service) SetTags(ctx context.Context, r *intervenev1.SetTagsRequest) (*intervenev1.SetTagsResponse, error) {
	card, err := s.card(ctx, r, engine.SetTags{Tags: r.GetTags()})
	if err != nil {
		return nil, err
	}
	return &intervenev1.SetTagsResponse{Card: card}, nil
}
