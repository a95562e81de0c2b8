package rpc

import (
	"fmt"

	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// Role is what a token allows; [access] says what that is.
type Role uint8

// The roles have the wire's numbers.
const (
	RoleAgent      = Role(intervenev1.Role_ROLE_AGENT)
	RoleSupervisor = Role(intervenev1.Role_ROLE_SUPERVISOR)
	RoleBot        = Role(intervenev1.Role_ROLE_BOT)
	RoleAdmin      = Role(intervenev1.Role_ROLE_ADMIN)
)

// ParseRole reads a role's name as the protobuf schema has it: ROLE_AGENT,
// ROLE_SUPERVISOR, ROLE_BOT or ROLE_ADMIN.
func ParseRole(s string) (Role, error) {
	r := Role(intervenev1.Role_value[s])
	if !r.valid() {
		return 0, fmt.Errorf("role %q is not one of ROLE_AGENT, ROLE_SUPERVISOR, ROLE_BOT, ROLE_ADMIN", s)
	}
	return r, nil
}

func (r Role) String() string { return intervenev1.Role(r).String() }

func (r Role) valid() bool {
	_, defined := intervenev1.Role_name[int32(r)]
	return defined && r != 0
}

// human reports whether r may hold conversations.
func (r Role) human() bool { return r.valid() && r != RoleBot }

// roles is a set of them.
type roles uint16

func rolesOf(list ...Role) roles {
	var set roles
	for _, r := range list {
		set |= 1 << r
	}
	return set
}

func (s roles) has(r Role) bool { return r.valid() && s&(1<<r) != 0 }
