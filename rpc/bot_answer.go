package rpc

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// botAnswer makes of a bot's actions, which were checked against the schema, what
// the engine does in one turn of conversation id on channel.
func (s *Server) botAnswer(
	ctx context.Context, id engine.ConversationID, channel func() (engine.ChannelID, error), actions []*intervenev1.BotAction,
) (engine.TurnAnswer, error) {
	var answer engine.TurnAnswer
	for i, action := range actions {
		field := fmt.Sprintf("actions[%d]", i)
		if answer.Request {
			return answer, invalid(field, "must not follow request_agent, which ends the turn")
		}
		switch a := action.GetKind().(type) {
		case *intervenev1.BotAction_Say:
			content, err := s.botContent(ctx, id, channel, a.Say.GetContent())
			if err != nil {
				return answer, err
			}
			answer.Say = append(answer.Say, content)
		case *intervenev1.BotAction_SetVariables:
			if answer.Variables != nil {
				return answer, invalid(field, "must be the turn's only set_variables")
			}
			answer.Variables = variablesOf(a.SetVariables.GetVariables())
		case *intervenev1.BotAction_RequestAgent:
			answer.Request, answer.Reason, answer.Summary = true, a.RequestAgent.GetReason(), a.RequestAgent.GetSummary()
		case *intervenev1.BotAction_Withdraw:
			answer.Withdraw = true
		}
	}
	if answer.Request && answer.Withdraw {
		return answer, invalid("actions", "must not both request an agent and withdraw that")
	}
	return answer, nil
}

// variablesOf are in the order of their names, so that a retry is the same. They
// are never nil: a bot that sets none forgets all.
func variablesOf(set map[string]string) []engine.Variable {
	variables := make([]engine.Variable, 0, len(set))
	for name, value := range set {
		variables = append(variables, engine.Variable{Name: name, Value: value})
	}
	slices.SortFunc(variables, func(a, b engine.Variable) int { return cmp.Compare(a.Name, b.Name) })
	return variables
}

func (s *Server) botContent(
	ctx context.Context, id engine.ConversationID, channel func() (engine.ChannelID, error), c *intervenev1.Content,
) (engine.Content, error) {
	request := sendRequestOf(c)
	if request == nil {
		return engine.Content{}, invalid("content", "must be of a kind that can be sent in a turn")
	}
	content, err := outgoing{media: s.options.Media, conversation: id}.content(request)
	if err != nil || content.Kind != engine.ContentTemplate {
		return content, err
	}
	on, err := channel()
	if err != nil {
		return content, err
	}
	s.categorize(ctx, on, &content)
	return content, nil
}

// sendRequestOf is c as SendMessage takes it; nil when it does not.
func sendRequestOf(c *intervenev1.Content) *intervenev1.SendMessageRequest {
	switch k := c.GetKind().(type) {
	case *intervenev1.Content_Text:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Text{Text: k.Text}}
	case *intervenev1.Content_Image:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Image{Image: k.Image}}
	case *intervenev1.Content_Video:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Video{Video: k.Video}}
	case *intervenev1.Content_Audio:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Audio{Audio: k.Audio}}
	case *intervenev1.Content_Document:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Document{Document: k.Document}}
	case *intervenev1.Content_Sticker:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Sticker{Sticker: k.Sticker}}
	case *intervenev1.Content_Location:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Location{Location: k.Location}}
	case *intervenev1.Content_Contacts:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Contacts{Contacts: k.Contacts}}
	case *intervenev1.Content_Buttons:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Buttons{Buttons: k.Buttons}}
	case *intervenev1.Content_List:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_List{List: k.List}}
	case *intervenev1.Content_Link:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Link{Link: k.Link}}
	case *intervenev1.Content_Template:
		return &intervenev1.SendMessageRequest{Content: &intervenev1.SendMessageRequest_Template{Template: k.Template}}
	}
	return nil
}
