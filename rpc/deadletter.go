package rpc

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// ListDeadLetters implements the service.
func (s service) ListDeadLetters(ctx context.Context, r *intervenev1.ListDeadLettersRequest) (*intervenev1.ListDeadLettersResponse, error) {
	ws := callerOf(ctx).Workspace
	var after engine.DeadLetter
	if token := r.GetPageToken(); token != "" {
		place, ok := s.cursors.deadLetter(token, ws)
		if !ok {
			return nil, invalid("page_token", "must be the next_page_token of a page of this list")
		}
		after = place
	}
	size := pageSize(r.GetPageSize())
	// One more tells whether there is a next page.
	letters, err := s.options.DeadLetters.DeadLetters(ws, after, size+1)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	page := new(intervenev1.ListDeadLettersResponse)
	bytes := 0
	for i, letter := range letters {
		m, err := s.deadLetter(ws, letter.Message)
		if err != nil {
			return nil, err
		}
		if bytes += proto.Size(m); i == size || (i > 0 && bytes > maxPageBytes) {
			page.NextPageToken = s.cursors.deadLetterToken(ws, letters[i-1])
			break
		}
		if m != nil {
			page.Messages = append(page.Messages, m)
		}
	}
	return page, nil
}

// deadLetter is the message id; nil when it is gone since it was listed.
func (s *Server) deadLetter(ws engine.WorkspaceID, id engine.MessageID) (*intervenev1.Message, error) {
	card, err := s.options.Conversations.Card(id.Conversation)
	if engine.CodeOf(err) == engine.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read card: %w", err)
	}
	if card.Workspace != ws {
		return nil, fmt.Errorf("dead letters hold conversation %v of another workspace", id.Conversation)
	}
	m, err := s.options.Conversations.Message(id)
	if engine.CodeOf(err) == engine.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read dead letter: %w", err)
	}
	return s.message(card.Channel, &m)
}
