package rpc

import (
	"errors"
	"fmt"
	"maps"
	"net/http"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Service is one more Connect service for an edge to serve, behind the gate, the
// limits and the interceptors of its own one.
type Service struct {
	// Schema names its procedures, and has the rules that their requests are held
	// against.
	Schema protoreflect.ServiceDescriptor
	// Roles are who may call them, all of them alike. There is always somebody who
	// may, and nobody may without a token.
	Roles []Role
	// New makes its handler with the options that all procedures of the edge have,
	// as generated code does.
	New func(...connect.HandlerOption) (path string, handler http.Handler)
}

// accessWith is the table of who may call what, with a row for each procedure of
// services.
func accessWith(services []Service) (map[string]roles, error) {
	table := maps.Clone(access)
	for _, service := range services {
		if service.Schema == nil || service.New == nil || len(service.Roles) == 0 {
			return nil, errors.New("serve one more service: schema, roles and handler are required")
		}
		for _, role := range service.Roles {
			if !role.valid() {
				return nil, fmt.Errorf("serve %s: role %d does not exist", service.Schema.FullName(), role)
			}
		}
		methods := service.Schema.Methods()
		for i := range methods.Len() {
			procedure := fmt.Sprintf("/%s/%s", service.Schema.FullName(), methods.Get(i).Name())
			if _, taken := table[procedure]; taken {
				return nil, fmt.Errorf("serve %s: %s is served already", service.Schema.FullName(), procedure)
			}
			table[procedure] = rolesOf(service.Roles...)
		}
	}
	return table, nil
}

// streamedTo are the procedures of services that take more than one message: their
// bodies have no bound of their own, each message has.
func streamedTo(services []Service) map[string]bool {
	many := make(map[string]bool)
	for _, service := range services {
		methods := service.Schema.Methods()
		for i := range methods.Len() {
			if m := methods.Get(i); m.IsStreamingClient() {
				many[fmt.Sprintf("/%s/%s", service.Schema.FullName(), m.Name())] = true
			}
		}
	}
	return many
}
