//go:build unix

package rpc_test

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/engine/journal/journaltest"
	"github.com/intervenehq/intervene/rpc"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
)

// BenchmarkFindNothing looks through 20,000 conversations, of which none is wanted:
// the most that one page does.
func BenchmarkFindNothing(b *testing.B) {
	const conversations, writers = 20_000, 64
	j, err := journal.Open("data", journal.Options{FS: vfs.NewMem(), Create: true, Shard: journaltest.Shard, Fatal: func(err error) { panic(err) }})
	if err != nil {
		b.Fatalf("open journal: %v", err)
	}
	b.Cleanup(func() {
		if err := j.Close(); err != nil {
			b.Errorf("close journal: %v", err)
		}
	})
	var group sync.WaitGroup
	for first := range writers {
		group.Go(func() {
			for n := first; n < conversations; n += writers {
				w := journaltest.NewWriter(j, uint64(n))
				w.Contact.Name = []string{"Asha Okoye", "José Ñandú", "राम कुलकर्णी"}[n%3]
				a, err := w.Prepare(engine.Command{Workspace: "acme", By: journaltest.Customer, Body: w.Receive("hello")})
				if err == nil {
					_, err = w.Commit(a)
				}
				if err != nil {
					b.Errorf("write: %v", err)
					return
				}
			}
		})
	}
	group.Wait()
	tokens, err := rpc.NewTokens([]rpc.Token{{
		Hash: rpc.HashToken(benchToken), Principal: rpc.Principal{ID: "asha", Name: "Asha", Workspace: "acme", Role: rpc.RoleAgent},
	}})
	if err != nil {
		b.Fatalf("make tokens: %v", err)
	}
	server, err := rpc.New(rpc.Options{
		Commands: empty{}, Conversations: j, Boards: empty{}, Presences: empty{}, Tokens: tokens, JournalID: j.ID(), Ready: func() bool { return true },
		Starter: empty{}, References: empty{}, Identities: j, Overviews: empty{}, DeadLetters: empty{}, Templates: empty{}, Receipts: empty{}, Media: empty{},
		Settings: rpc.Settings{Channels: map[engine.ChannelID]engine.WorkspaceID{journaltest.Channel: "acme"}},
	})
	if err != nil {
		b.Fatalf("make edge: %v", err)
	}
	client := listen(b, server.Handler())
	for _, query := range []string{"nobody", "15559999999"} {
		b.Run(query, func(b *testing.B) {
			scanned := uint32(0)
			for b.Loop() {
				page, err := client.FindConversations(b.Context(), &intervenev1.FindConversationsRequest{Query: query})
				if err != nil || len(page.GetCards()) != 0 {
					b.Fatalf("got %v, error %v, want nothing found", page, err)
				}
				scanned += page.GetScanned()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(scanned), "ns/card")
		})
	}
}
