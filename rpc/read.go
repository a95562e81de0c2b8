package rpc

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

const (
	defaultPageSize = 50
	maxPageSize     = 200
	// maxPageBytes ends a page of messages early: some carry what a platform
	// sent, raw, and gRPC clients take no more than 4 MiB.
	maxPageBytes = 1 << 20
)

func pageSize[T int32 | uint32](asked T) int {
	if asked <= 0 {
		return defaultPageSize
	}
	return int(min(asked, maxPageSize))
}

// visibleCard is the card of a conversation that the caller may know of. Of an
// erased one nothing is left to know: it stands in no column, not even History.
func (s *Server) visibleCard(ctx context.Context, id engine.ConversationID) (engine.Card, error) {
	card, err := s.options.Conversations.Card(id)
	if err != nil {
		return engine.Card{}, fmt.Errorf("read card: %w", err)
	}
	if card.Workspace != callerOf(ctx).Workspace || card.Column == 0 {
		return engine.Card{}, &engine.Error{Code: engine.CodeNotFound}
	}
	return card, nil
}

// GetConversation implements the service.
func (s service) GetConversation(ctx context.Context, r *intervenev1.GetConversationRequest) (*intervenev1.GetConversationResponse, error) {
	id, err := conversationID(r.GetConversationId())
	if err != nil {
		return nil, err
	}
	card, err := s.visibleCard(ctx, id)
	if err != nil {
		return nil, err
	}
	return &intervenev1.GetConversationResponse{Card: cardOf(&card)}, nil
}

// maxScanned bounds the rows that one page looks at for a filter.
const maxScanned = 2000

// ListConversations implements the service.
func (s service) ListConversations(ctx context.Context, r *intervenev1.ListConversationsRequest) (*intervenev1.ListConversationsResponse, error) {
	who, column := callerOf(ctx), engine.Column(r.GetColumn())
	filter := boardFilter(who.Principal, r.GetFilter())
	var after engine.BoardRow
	if token := r.GetPageToken(); token != "" {
		row, ok := s.cursors.row(token, who.Workspace, column, filter)
		if !ok {
			return nil, invalid("page_token", "must be the next_page_token of a page of this column and filter")
		}
		after = row
	}
	rows, last, err := s.rows(who.Workspace, column, filter, after, pageSize(r.GetPageSize()))
	if err != nil {
		return nil, fmt.Errorf("read board page: %w", err)
	}
	page := new(intervenev1.ListConversationsResponse)
	if last != nil {
		page.NextPageToken = s.cursors.rowToken(who.Workspace, column, filter, *last)
	}
	for _, row := range rows {
		card, err := s.options.Conversations.Card(row.Conversation)
		if engine.CodeOf(err) == engine.CodeNotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read card: %w", err)
		}
		if card.Workspace == who.Workspace && card.Column == column { // else it moved since its row was read
			page.Cards = append(page.Cards, cardOf(&card))
		}
	}
	page.Counters = countersOf(s.options.Boards.Counters(who.Workspace), engine.BoardColumns[:])
	return page, nil
}

// rows are at most size of those that filter admits, and the row after which the
// next page begins; nil: there is none.
func (s *Server) rows(
	ws engine.WorkspaceID, column engine.Column, filter engine.BoardFilter, after engine.BoardRow, size int,
) (admitted []engine.BoardRow, last *engine.BoardRow, err error) {
	for scanned := 0; ; {
		// One row more tells whether there is a next page.
		rows, err := s.options.Conversations.BoardPage(ws, column, after, maxPageSize+1)
		if err != nil {
			return nil, nil, err
		}
		for i := range min(len(rows), maxPageSize) {
			if filter.Admits(&rows[i].Index) {
				admitted = append(admitted, rows[i])
			}
			if len(admitted) == size && i+1 < len(rows) {
				return admitted, &rows[i], nil
			}
		}
		if len(rows) <= maxPageSize {
			return admitted, nil, nil
		}
		after = rows[maxPageSize-1]
		if scanned += maxPageSize; scanned >= maxScanned {
			return admitted, &after, nil
		}
	}
}

// ListMessages implements the service.
func (s service) ListMessages(ctx context.Context, r *intervenev1.ListMessagesRequest) (*intervenev1.ListMessagesResponse, error) {
	id, err := conversationID(r.GetConversationId())
	if err != nil {
		return nil, err
	}
	card, err := s.visibleCard(ctx, id)
	if err != nil {
		return nil, err
	}
	var before uint64
	if token := r.GetPageToken(); token != "" {
		version, ok := s.cursors.version(token, id)
		if !ok {
			return nil, invalid("page_token", "must be the next_page_token of a page of this conversation")
		}
		before = version
	}
	size := pageSize(r.GetPageSize())
	messages, err := s.options.Conversations.Messages(id, before, size+1)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	wire, err := s.page(card.Channel, messages)
	if err != nil {
		return nil, err
	}
	page := new(intervenev1.ListMessagesResponse)
	bytes := 0
	for i, m := range wire {
		if bytes += proto.Size(m); i == size || (i > 0 && bytes > maxPageBytes) {
			page.NextPageToken = s.cursors.versionToken(id, messages[i-1].ID.Version)
			break
		}
		page.Messages = append(page.Messages, m)
	}
	return page, nil
}

// ListAgents implements the service.
func (s service) ListAgents(ctx context.Context, _ *intervenev1.ListAgentsRequest) (*intervenev1.ListAgentsResponse, error) {
	list := new(intervenev1.ListAgentsResponse)
	for _, p := range s.options.Tokens.table().humans[callerOf(ctx).Workspace] {
		list.Agents = append(list.Agents, agentOf(p))
	}
	return list, nil
}
