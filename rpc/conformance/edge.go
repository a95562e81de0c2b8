package main

import (
	"fmt"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	"github.com/intervenehq/intervene/rpc"
	conformancev1 "github.com/intervenehq/intervene/rpc/conformance/gen/connectrpc/conformance/v1"
	"github.com/intervenehq/intervene/rpc/conformance/gen/connectrpc/conformance/v1/conformancev1connect"
)

// suiteToken is what the suite calls with.
const suiteToken = "token-of-the-suite"

// newEdge is an edge as cmd makes it, with one more service that agents may call.
func newEdge() (*rpc.Server, error) {
	tokens, err := rpc.NewTokens([]rpc.Token{{
		Hash: rpc.HashToken(suiteToken), Principal: rpc.Principal{ID: "suite", Name: "Suite", Workspace: "acme", Role: rpc.RoleAgent},
	}})
	if err != nil {
		return nil, fmt.Errorf("make tokens: %w", err)
	}
	// The suite asks for the errors that an edge logs: they would hide its verdict.
	silent := slog.New(slog.DiscardHandler)
	return rpc.New(rpc.Options{
		Commands: nobody{}, Conversations: nobody{}, Boards: nobody{}, Presences: nobody{}, Starter: nobody{}, References: nobody{}, Identities: nobody{}, Overviews: nobody{},
		DeadLetters: nobody{}, Templates: nobody{}, Receipts: nobody{}, Media: nobody{},
		Tokens: tokens, Ready: func() bool { return true }, Log: silent,
		Services: []rpc.Service{{
			Schema: conformancev1.File_connectrpc_conformance_v1_service_proto.Services().ByName("ConformanceService"),
			Roles:  []rpc.Role{rpc.RoleAgent},
			New: func(options ...connect.HandlerOption) (string, http.Handler) {
				return conformancev1connect.NewConformanceServiceHandler(service{}, options...)
			},
		}},
	})
}

// nobody is behind LiveChatService: a call to it panics, which fails the suite.
type nobody struct {
	rpc.Commands
	rpc.Conversations
	rpc.Boards
	rpc.Presences
	rpc.Starter
	rpc.References
	rpc.Identities
	rpc.Overviews
	deadLetters
	templates
	rpc.Receipts
	rpc.Media
}

// Names of their own: a field must not hide the method of the same name.
type (
	deadLetters = rpc.DeadLetters
	templates   = rpc.Templates
)

// withToken gives each request its token: the suite's client cannot be told of one.
func withToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+suiteToken)
		next.ServeHTTP(w, r)
	})
}
