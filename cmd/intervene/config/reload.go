package config

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// WithTokens is c with the tokens of next, and the names of what else differs
// in next and waits for a restart. Both stay as they are.
//
// Who is not in next is no caller any more, also if their whole workspace is
// not; who is there in a workspace that c does not have waits with it.
func (c *Config) WithTokens(next *Config) (reloaded *Config, ignored []string) {
	merged := *c
	merged.Workspaces = slices.Clone(c.Workspaces)
	differ := func(field string, a, b any) {
		// DeepEqual follows a Secret's pointer to its text.
		if !reflect.DeepEqual(a, b) {
			ignored = append(ignored, field)
		}
	}
	differ("listen", c.Listen, next.Listen)
	differ("admin_listen", c.AdminListen, next.AdminListen)
	differ("data_dir", c.DataDir, next.DataDir)
	differ("erasure_ledger", c.ErasureLedger, next.ErasureLedger)
	differ("backup", c.Backup, next.Backup)
	differ("traces", c.Traces, next.Traces)
	differ("read_receipts", c.ReadReceipts, next.ReadReceipts)
	differ("allowed_origins", c.AllowedOrigins, next.AllowedOrigins)
	differ("whatsapp_apps", c.Apps, next.Apps)
	for i := range merged.Workspaces {
		w := &merged.Workspaces[i]
		w.Tokens = nil
		field := fmt.Sprintf("workspaces[%s]", w.ID)
		n := next.workspace(w.ID)
		if n == nil {
			ignored = append(ignored, field)
			continue
		}
		w.Tokens = n.Tokens
		differ(field+".channels", w.Channels, n.Channels)
		differ(field+".bot", w.Bot, n.Bot)
		differ(field+".handoff", w.Policy, n.Policy)
	}
	for i := range next.Workspaces {
		if id := next.Workspaces[i].ID; c.workspace(id) == nil {
			ignored = append(ignored, fmt.Sprintf("workspaces[%s]", id))
		}
	}
	return &merged, ignored
}

func (c *Config) workspace(id engine.WorkspaceID) *Workspace {
	i := slices.IndexFunc(c.Workspaces, func(w Workspace) bool { return w.ID == id })
	if i < 0 {
		return nil
	}
	return &c.Workspaces[i]
}
