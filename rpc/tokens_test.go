package rpc

import (
	"strings"
	"testing"
)

func TestTokensReplace(t *testing.T) {
	tokens := new(Tokens)
	if _, err := tokens.table().admit(HashToken(ashaToken), people); err == nil {
		t.Error("zero table: got Asha let in, want nobody")
	}
	if err := tokens.Replace(testTokens()); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	before := tokens.table()
	who, err := before.admit(HashToken(ashaToken), people)
	if err != nil || who.ID != "asha" {
		t.Errorf("got %v, %v, want Asha", who, err)
	}
	bad := append(testTokens(), testTokens()[0])
	if err := tokens.Replace(bad); err == nil || tokens.table() != before {
		t.Errorf("replace by a bad table: got error %v and another table %t, want an error and the same", err, tokens.table() != before)
	}
	if err := tokens.Replace(nil); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	select {
	case <-before.replaced:
	default:
		t.Error("got the old table not told that it was replaced, want it told")
	}
	if _, err := tokens.table().admit(HashToken(ashaToken), people); err == nil {
		t.Error("empty table: got Asha let in, want nobody")
	}
}

func TestNewTokensRefuses(t *testing.T) {
	asha := Principal{"asha", "Asha", "acme", RoleAgent}
	supervisor := asha
	supervisor.Role = RoleSupervisor
	tests := []struct {
		name string
		list []Token
		want string
	}{
		{"no id", []Token{{HashToken("a"), Principal{Workspace: "acme", Role: RoleAgent}}}, "required"},
		{"no workspace", []Token{{HashToken("a"), Principal{ID: "asha", Role: RoleAgent}}}, "required"},
		{"no role", []Token{{HashToken("a"), Principal{ID: "asha", Workspace: "acme"}}}, "required"},
		{"unknown role", []Token{{HashToken("a"), Principal{ID: "asha", Workspace: "acme", Role: 9}}}, "required"},
		{"one hash twice", []Token{{HashToken("a"), asha}, {HashToken("a"), asha}}, "same hash"},
		{"one id, two roles", []Token{{HashToken("a"), asha}, {HashToken("b"), supervisor}}, "different"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewTokens(tt.list)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
		})
	}
	if _, err := NewTokens([]Token{{HashToken("old"), asha}, {HashToken("new"), asha}}); err != nil {
		t.Errorf("two tokens of one principal: got error %v, want none", err)
	}
}

func TestParseTokenHash(t *testing.T) {
	want := HashToken("abc")
	got, err := ParseTokenHash(want.String())
	if err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if want.String() != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("got hash %v of abc, want SHA-256's", want)
	}
	for _, bad := range []string{"", "ba", strings.Repeat("z", 64), want.String() + "00"} {
		if _, err := ParseTokenHash(bad); err == nil {
			t.Errorf("ParseTokenHash(%q): got no error, want one", bad)
		}
	}
}

func TestParseRole(t *testing.T) {
	for name, want := range map[string]Role{
		"ROLE_AGENT": RoleAgent, "ROLE_SUPERVISOR": RoleSupervisor, "ROLE_BOT": RoleBot, "ROLE_ADMIN": RoleAdmin,
	} {
		got, err := ParseRole(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("ParseRole(%s): got %v, %v, want it", name, got, err)
		}
	}
	for _, bad := range []string{"", "agent", "ROLE_UNSPECIFIED"} {
		if got, err := ParseRole(bad); err == nil {
			t.Errorf("ParseRole(%q): got %v, want an error", bad, got)
		}
	}
}
