package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Reloaded is what becomes of a configuration in force when another one is read, with
// the fields that differ by their names in the file; what stands in a list is named by
// its id.
type Reloaded struct {
	// InForce is the next one, but for what waits.
	InForce *Config `json:"-"`
	// Changed are the fields that are taken.
	Changed []string `json:"changed"`
	// Waiting are those that stay as they are until a restart.
	Waiting []string `json:"waits_for_restart"`
}

// Reload compares c, which is in force, with next. Both stay as they are.
func (c *Config) Reload(next *Config) Reloaded {
	merged := *next
	r := Reloaded{InForce: &merged, Changed: []string{}, Waiting: []string{}}
	merged.Listen = keep(&r, "listen", c.Listen, next.Listen)
	merged.AdminListen = keep(&r, "admin_listen", c.AdminListen, next.AdminListen)
	merged.DataDir = keep(&r, "data_dir", c.DataDir, next.DataDir)
	merged.ErasureLedger = keep(&r, "erasure_ledger", c.ErasureLedger, next.ErasureLedger)
	if (c.TLS == nil) != (next.TLS == nil) {
		r.Waiting, merged.TLS = append(r.Waiting, "tls"), c.TLS
	} else {
		r.compare("tls", c.TLS.chain(), next.TLS.chain())
	}
	if merged.Traces = c.Traces; !reflect.DeepEqual(c.Traces, next.Traces) {
		r.Waiting = append(r.Waiting, "traces")
	}
	r.compare("log_level", c.LogLevel, next.LogLevel)
	r.compare("drain", c.Drain, next.Drain)
	r.compare("backup", c.Backup, next.Backup)
	r.compare("read_receipts", c.ReadReceipts, next.ReadReceipts)
	r.compare("allowed_origins", c.AllowedOrigins, next.AllowedOrigins)
	compareLists(&r, "whatsapp_apps", c.Apps, next.Apps, func(a *App) string { return a.ID }, (*Reloaded).compareWhole)
	compareLists(&r, "workspaces", c.Workspaces, next.Workspaces, func(w *Workspace) string { return string(w.ID) }, (*Reloaded).compareWorkspace)
	return r
}

// keep is the old value, whatever the new one is.
func keep(r *Reloaded, field, before, after string) string {
	if before != after {
		r.Waiting = append(r.Waiting, field)
	}
	return before
}

// compare notes that a field differs. DeepEqual follows a Secret's pointer to its text.
func (r *Reloaded) compare(field string, before, after any) {
	if !reflect.DeepEqual(before, after) {
		r.Changed = append(r.Changed, field)
	}
}

func (r *Reloaded) compareWhole(field string, before, after *App) { r.compare(field, before, after) }

func (r *Reloaded) compareWorkspace(field string, before, after *Workspace) {
	compareLists(r, field+".channels", before.Channels, after.Channels, func(c *Channel) string { return string(c.ID) },
		func(r *Reloaded, field string, before, after *Channel) { r.compare(field, before, after) })
	r.compare(field+".bot", before.Bot, after.Bot)
	kept := after.Policy
	kept.Retention = before.Policy.Retention
	r.compare(field+".handoff", before.Policy, kept)
	r.compare(field+".retention_days", before.Policy.Retention, after.Policy.Retention)
	r.compare(field+".tokens", before.Tokens, after.Tokens)
}

// compareLists compares what has the same id in both, and notes what is in one alone.
func compareLists[T any](r *Reloaded, field string, before, after []T, id func(*T) string, compare func(*Reloaded, string, *T, *T)) {
	find := func(list []T, wanted string) *T {
		if i := slices.IndexFunc(list, func(item T) bool { return id(&item) == wanted }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	for i := range before {
		name := fmt.Sprintf("%s[%s]", field, id(&before[i]))
		if other := find(after, id(&before[i])); other != nil {
			compare(r, name, &before[i], other)
		} else {
			r.Changed = append(r.Changed, name)
		}
	}
	for i := range after {
		if find(before, id(&after[i])) == nil {
			r.Changed = append(r.Changed, fmt.Sprintf("%s[%s]", field, id(&after[i])))
		}
	}
}

// chain is what is shown to callers; the key belongs to it.
func (t *TLS) chain() [][]byte {
	if t == nil {
		return nil
	}
	return t.Certificate.Certificate
}
