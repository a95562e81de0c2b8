// Package config reads what the operator configured: one YAML file, checked
// whole, with every problem told at once and by its place.
//
// It never prints a secret, opens no socket, and knows no other part of the
// program: cmd wires what it returns.
package config

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/intervenehq/intervene/engine"
)

// Config is a file that was read and found right. docs/CONFIG.md documents
// every field.
type Config struct {
	Listen      string // host:port of Connect, the webhooks and the console
	AdminListen string // host:port of metrics, probes and profiles
	DataDir     string // the folder of journal and files
	// ErasureLedger is the file of the erasure ledger; empty: in DataDir.
	ErasureLedger string
	TLS           *TLS // nil: none on the public listener
	LogLevel      slog.Level
	Drain         Drain
	Backup        *Backup // nil: none is made by the clock
	Traces        *Traces // nil: nothing is recorded
	// ReadReceipts shows customers that agents have read their messages.
	ReadReceipts bool
	// AllowedOrigins are those of pages served elsewhere that may call.
	AllowedOrigins []string
	Apps           []App
	Workspaces     []Workspace
}

// App is an app at Meta: what its webhooks are verified with, and where its
// Graph API answers.
type App struct {
	ID           string
	VerifyToken  Secret
	AppSecrets   []Secret // any of them may have signed a webhook
	GraphBaseURL string   // without a slash at its end
	GraphVersion string
	MediaHosts   []string // nil: Meta's
}

// Workspace is one business: the tenant.
type Workspace struct {
	ID       engine.WorkspaceID
	Channels []Channel
	Bot      Bot
	Policy   engine.Policy
	Tokens   []Token
}

// Channel is one WhatsApp number of a workspace.
type Channel struct {
	ID            engine.ChannelID
	App           string // an App's ID
	PhoneNumberID string // Meta's ID of the number, not the number
	AccessToken   Secret
	WABAID        string // Meta's ID of the business account; empty: none
	// MessagesPerSecond is the number's throughput; 0: Meta's own default.
	MessagesPerSecond int
	// StopKeywords and StartKeywords are nil where nothing is said of them.
	StopKeywords, StartKeywords []string
}

// Token is a caller: a person or a bot who proves who they are by a text whose
// hash this is.
type Token struct {
	ID     engine.AgentID
	Name   string
	Role   Role
	SHA256 [sha256.Size]byte
}

// Role is what a caller may do. Its values are the wire's.
type Role string

const (
	RoleAgent      Role = "ROLE_AGENT"
	RoleSupervisor Role = "ROLE_SUPERVISOR"
	RoleBot        Role = "ROLE_BOT"
	RoleAdmin      Role = "ROLE_ADMIN"
)

var roles = []Role{RoleAgent, RoleSupervisor, RoleBot, RoleAdmin}

// Load reads the file at path and the environment. If anything is wrong the
// error is a Problems, unless the file itself cannot be read.
//
// Relative paths in the file begin at the folder that the file is in, so that
// it names the same data wherever the process was started: a journal that is
// missing is created, and an engine started from another folder must not begin
// with an empty one.
func Load(path string) (*Config, error) {
	text, err := readFile(path, MaxFileBytes)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, text, os.LookupEnv)
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) (text []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	text, err = io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return text, nil
}
