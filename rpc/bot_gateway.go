package rpc

import (
	"context"
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

var _ intervenev1connect.BotGatewayServiceHandler = service{}

// Submit implements the gateway. A turn has one answer, so the turn itself names
// the command.
func (s service) Submit(ctx context.Context, r *intervenev1.SubmitRequest) (*intervenev1.SubmitResponse, error) {
	turn, err := engine.ParseMessageID(r.GetTurnId())
	if err != nil {
		return nil, invalid("turn_id", "must be the id of a turn")
	}
	answer, err := s.botAnswer(ctx, turn.Conversation, func() (engine.ChannelID, error) {
		card, err := s.visibleCard(ctx, turn.Conversation)
		return card.Channel, err
	}, r.GetActions())
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	asked := engine.TurnRequest{ID: turn, Through: r.GetThroughVersion()}
	answer.Repeatable = r.GetRepeatable()
	cmd := engine.Command{Workspace: who.Workspace, By: who.party(), Epoch: r.GetEpoch(), Body: asked.Answer(answer)}
	if cmd.ID, cmd.Digest, err = submission(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if _, err := s.options.Commands.Do(ctx, turn.Conversation, cmd); err != nil {
		return nil, fmt.Errorf("submit turn: %w", err)
	}
	return &intervenev1.SubmitResponse{}, nil
}

// submission names the command that r is, by its turn, and tells its payload.
func submission(r *intervenev1.SubmitRequest) (engine.CommandID, engine.Digest, error) {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		return engine.CommandID{}, engine.Digest{}, fmt.Errorf("marshal submission for its digest: %w", err)
	}
	name := sha256.Sum256([]byte("intervene.v1.BotGatewayService/Submit " + r.GetTurnId()))
	sum := sha256.Sum256(payload)
	return engine.CommandID(name[:16]), engine.Digest(sum[:16]), nil
}

// Bot tells which bot a token stands for, of which workspace: for edges beside this
// one that bots call in a dialect of their own.
func (t *Tokens) Bot(token string) (engine.WorkspaceID, engine.Party, bool) {
	who, err := t.table().admit(HashToken(token), rolesOf(RoleBot))
	if err != nil {
		return "", engine.Party{}, false
	}
	return who.Workspace, who.party(), true
}
