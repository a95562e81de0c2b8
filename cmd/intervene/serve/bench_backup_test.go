package serve_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/intervenehq/intervene/cmd/intervene/config"
	"github.com/intervenehq/intervene/cmd/intervene/restore"
	"github.com/intervenehq/intervene/cmd/intervene/serve"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/gen/intervene/v1/intervenev1connect"
)

const (
	// benchCallers give commands at the same time, for so long without a backup and
	// while backups are made, or one is, by turns.
	benchCallers = 16
	benchPhase   = 5 * time.Second
	benchPhases  = 3
)

// BenchmarkCommandsDuringBackup compares how long commands take while backups are
// made with how long they take without, in one run. The journal holds as many
// conversations as INTERVENE_BACKUP_CONVERSATIONS says.
func BenchmarkCommandsDuringBackup(b *testing.B) {
	dir := b.TempDir()
	hot := fill(b, dir, benchConversations(b))
	c := testConfig(dir)
	for _, m := range members[:1] {
		c.Workspaces[0].Tokens = append(c.Workspaces[0].Tokens, config.Token{ID: engine.AgentID(m.name), Name: m.name, Role: m.role, SHA256: sha256.Sum256([]byte(tokenOf(m.name)))})
	}
	e := startBench(b, c)
	defer func() {
		if err := e.Stop(context.Background()); err != nil {
			b.Errorf("stop: %v", err)
		}
	}()
	var without, with []time.Duration
	var bytes int64
	var took, calm time.Duration
	backups := 0
	for range b.N * benchPhases {
		ctx, stop := context.WithTimeout(b.Context(), benchPhase)
		without, calm = append(without, notes(ctx, b, e, hot)...), calm+benchPhase
		stop()
		// Backups follow on each other for as long, each to its end.
		ctx, stop = context.WithCancel(b.Context())
		var making sync.WaitGroup
		making.Go(func() {
			defer stop()
			for phase := time.Now(); time.Since(phase) < benchPhase; {
				began := time.Now()
				n, err := takeBackup(b.Context(), e, io.Discard)
				if err != nil {
					b.Errorf("backup: %v", err)
					return
				}
				bytes, took, backups = bytes+n, took+time.Since(began), backups+1
			}
		})
		with = append(with, notes(ctx, b, e, hot)...)
		making.Wait()
	}
	quiet, busy := percentile(without, 0.99), percentile(with, 0.99)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(len(without))/calm.Seconds(), "commands/s")
	b.ReportMetric(float64(len(with))/took.Seconds(), "commands/s-backup")
	b.ReportMetric(percentile(without, 0.5).Seconds()*1000, "ms-p50")
	b.ReportMetric(percentile(with, 0.5).Seconds()*1000, "ms-p50-backup")
	b.ReportMetric(quiet.Seconds()*1000, "ms-p99")
	b.ReportMetric(busy.Seconds()*1000, "ms-p99-backup")
	b.ReportMetric(float64(busy)/float64(quiet), "p99-ratio")
	b.ReportMetric(float64(backups), "backups")
	b.ReportMetric(float64(bytes)/float64(max(1, backups))/1e6, "MB/backup")
	b.ReportMetric(took.Seconds()/float64(max(1, backups)), "s/backup")
}

// fill makes a journal of conversations, of which it answers some.
func fill(b *testing.B, dir string, conversations int) (hot []engine.ConversationID) {
	b.Helper()
	j, err := journal.Open(dir, journal.Options{Create: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatalf("open: %v", err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var group sync.WaitGroup
	next := make(chan engine.ConversationID)
	for range 256 {
		group.Go(func() {
			for id := range next {
				fillOne(b, j, id)
			}
		})
	}
	for i := range conversations {
		var bytes [14]byte
		for k := range bytes {
			bytes[k] = byte(random.Uint32())
		}
		id := engine.NewConversationID(0, bytes)
		if i%100 == 0 && len(hot) < 256 {
			hot = append(hot, id)
		}
		next <- id
	}
	close(next)
	group.Wait()
	if err := j.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
	return hot
}

func fillOne(b *testing.B, j *journal.Journal, id engine.ConversationID) {
	c := engine.Conversation{ID: id}
	now := engine.InstantOf(time.Now())
	give := func(by engine.Party, body engine.CommandBody) {
		events, err := engine.Decide(&c, engine.Command{Workspace: "acme", By: by, Body: body}, engine.Policy{TakeoverFromActive: true}, now)
		if err != nil {
			b.Errorf("decide: %v", err)
			return
		}
		after, before := c.Clone(), c.Index()
		for i := range events {
			after.Apply(&events[i])
		}
		if c.Version == 0 {
			before = engine.Index{}
		}
		if _, err := j.Append(engine.Append{Conversation: id, Expected: c.Version, Events: events, Before: before, After: &after}); err != nil {
			b.Errorf("append: %v", err)
		}
		c = after
	}
	words := make([]byte, 0, 600)
	for len(words) < 560 {
		words = strconv.AppendUint(append(words, ' '), rand.Uint64(), 36)
	}
	give(engine.Party{Kind: engine.Customer}, engine.Receive{
		Channel: "acme-main", Contact: engine.Contact{WaID: id.String()}, External: "wamid." + id.String(), SentAt: now,
		Content: engine.Content{Kind: engine.ContentText, Text: string(words)},
	})
	give(engine.Party{Kind: engine.Agent, ID: "asha"}, engine.Intervene{})
	give(engine.Party{Kind: engine.Agent, ID: "asha"}, engine.AddNote{Body: string(words)})
}

// notes adds notes until ctx ends and answers how long each took.
func notes(ctx context.Context, b *testing.B, e *serve.Engine, hot []engine.ConversationID) (all []time.Duration) {
	b.Helper()
	var mu sync.Mutex
	var group sync.WaitGroup
	for caller := range benchCallers {
		group.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := intervenev1connect.NewLiveChatServiceClient(&http.Client{Transport: bearing{tokenOf("asha"), transport}}, "http://"+e.Addr().String())
			var took []time.Duration
			for i := caller; ctx.Err() == nil; i += benchCallers {
				began := time.Now()
				_, err := client.AddNote(b.Context(), &intervenev1.AddNoteRequest{
					ConversationId: hot[i%len(hot)].String(), CommandId: uuid.NewString(), Body: strings.Repeat("note ", 40),
				})
				if err != nil {
					b.Errorf("AddNote: %v", err)
					return
				}
				took = append(took, time.Since(began))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	group.Wait()
	return all
}

// takeBackup has the engine make a backup.
func takeBackup(ctx context.Context, e *serve.Engine, to io.Writer) (bytes int64, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.AdminAddr().String()+serve.BackupPath, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	bytes, err = io.Copy(to, answer.Body)
	return bytes, errors.Join(err, answer.Body.Close())
}

func percentile(all []time.Duration, p float64) time.Duration {
	slices.Sort(all)
	if len(all) == 0 {
		return 0
	}
	return all[int(float64(len(all)-1)*p)]
}

// BenchmarkRestore measures how long it takes from a backup to an engine that is
// ready.
func BenchmarkRestore(b *testing.B) {
	c := testConfig(b.TempDir())
	fill(b, c.DataDir, benchConversations(b))
	e := startBench(b, c)
	path := filepath.Join(b.TempDir(), "backup.tar")
	err := serve.SaveFile(path, func(to io.Writer) error {
		_, err := takeBackup(b.Context(), e, to)
		return err
	})
	if err := errors.Join(err, e.Stop(context.Background())); err != nil {
		b.Fatalf("backup: %v", err)
	}
	for b.Loop() {
		c.DataDir = filepath.Join(b.TempDir(), "restored")
		file, err := os.Open(path)
		if err != nil {
			b.Fatalf("open: %v", err)
		}
		done, err := restore.Run(b.Context(), restore.Options{From: file, Dir: c.DataDir, Journal: journal.Options{Logger: slog.New(slog.DiscardHandler)}})
		if err := errors.Join(err, file.Close()); err != nil {
			b.Fatalf("restore: %v", err)
		}
		e := startBench(b, c)
		b.SetBytes(done.Backup.Bytes)
		b.StopTimer()
		if err := errors.Join(e.Stop(context.Background()), os.RemoveAll(c.DataDir)); err != nil {
			b.Fatalf("stop: %v", err)
		}
		b.StartTimer()
	}
}

func startBench(b *testing.B, c *config.Config) *serve.Engine {
	b.Helper()
	e, err := serve.Start(c, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatalf("start: %v", err)
	}
	return e
}

// benchConversations is how many conversations a journal is to hold.
func benchConversations(b *testing.B) int {
	b.Helper()
	text := os.Getenv("INTERVENE_BACKUP_CONVERSATIONS")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("conversations: %v", err)
	}
	return n
}
