package rpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/intervenehq/intervene/engine"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// MinSigningBytes and MaxSigningBytes bound a secret's key, as the specification
// does (github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
const (
	MinSigningBytes = 24
	MaxSigningBytes = 64
)

// Signer signs requests as Standard Webhooks specifies: HMAC-SHA256 over the
// message's ID, its time and its body, which the receiver checks with any library
// of that name.
type Signer struct{ webhook *standardwebhooks.Webhook }

// NewSigner makes one of a secret, which is base64 with or without the prefix
// whsec_. The error does not repeat it.
func NewSigner(secret string) (*Signer, error) {
	key, ok := signingKey(secret)
	if !ok {
		return nil, fmt.Errorf("signing secret must be whsec_ and the base64 of %d to %d bytes", MinSigningBytes, MaxSigningBytes)
	}
	webhook, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return nil, errors.New("signing secret cannot be used")
	}
	return &Signer{webhook}, nil
}

// sign adds the three headers.
func (s *Signer) sign(header http.Header, id string, now time.Time, body []byte) error {
	signature, err := s.webhook.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("sign turn: %w", err)
	}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

// NewWebhookBot is a bot at a URL: each turn is posted there in protobuf's JSON, and
// answered in the same. 202 without a body accepts the turn, 204 answers nothing.
func (s *Server) NewWebhookBot(o BotOptions) *Bot {
	client := staying(o.HTTP)
	return s.newBot(o, func(ctx context.Context, r *intervenev1.TurnRequest) (*intervenev1.TurnResponse, error) {
		body, err := protojson.Marshal(r)
		if err != nil {
			return nil, errors.New("turn cannot be said in JSON") // the reason may quote it
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.URL, bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("bot has an URL that cannot be used")
		}
		request.Header.Set("Content-Type", jsonType)
		request.Header.Set("Accept", jsonType)
		if o.Signer != nil {
			if err := o.Signer.sign(request.Header, r.GetTurnId(), time.Now(), body); err != nil {
				return nil, err
			}
		}
		return post(client, request)
	})
}

const jsonType = "application/json"

func post(client *http.Client, request *http.Request) (*intervenev1.TurnResponse, error) {
	response, err := client.Do(request)
	if err != nil {
		if request.Context().Err() != nil {
			return nil, fmt.Errorf("bot did not answer: %w", request.Context().Err())
		}
		return nil, engine.Errorf(engine.CodeUnavailable, "bot cannot be reached%s", dialFailure(err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxBotAnswerBytes+1))
	if closeErr := response.Body.Close(); err == nil {
		err = closeErr
	}
	switch {
	case err != nil && request.Context().Err() != nil:
		return nil, fmt.Errorf("bot did not finish its answer: %w", request.Context().Err())
	case err != nil:
		return nil, engine.Errorf(engine.CodeUnavailable, "bot broke its answer off")
	case len(body) > MaxBotAnswerBytes:
		return nil, fmt.Errorf("bot answered more than %d bytes", MaxBotAnswerBytes)
	}
	return answered(response, body)
}

func answered(response *http.Response, body []byte) (*intervenev1.TurnResponse, error) {
	switch status := response.StatusCode; status {
	case http.StatusNoContent:
		return &intervenev1.TurnResponse{}, nil
	case http.StatusOK, http.StatusAccepted:
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil, engine.Errorf(engine.CodeUnavailable, "bot answered with HTTP status %d", status)
	default:
		return nil, fmt.Errorf("bot answered with HTTP status %d", status)
	}
	if response.StatusCode == http.StatusAccepted && len(body) == 0 {
		return &intervenev1.TurnResponse{Accepted: &intervenev1.Accepted{}}, nil
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != jsonType {
		return nil, errors.New("bot answered something else than JSON")
	}
	answer := new(intervenev1.TurnResponse)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, answer); err != nil {
		return nil, errors.New("bot answered JSON that is no TurnResponse")
	}
	return answer, nil
}

func signingKey(secret string) ([]byte, bool) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	return key, err == nil && len(key) >= MinSigningBytes && len(key) <= MaxSigningBytes
}
