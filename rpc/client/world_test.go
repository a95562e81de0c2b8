package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
	"github.com/intervenehq/intervene/rpc"
	"github.com/intervenehq/intervene/rpc/client"
)

const (
	acme                  engine.WorkspaceID = "acme"
	channel, otherChannel engine.ChannelID   = "acme-main", "acme-other"

	ashaToken = "token-of-asha" // agent
	samToken  = "token-of-sam"  // supervisor
	benToken  = "token-of-ben"  // agent
	edgeURL   = "http://edge.test"
)

func tokens() []rpc.Token {
	return []rpc.Token{
		{Hash: rpc.HashToken(ashaToken), Principal: rpc.Principal{ID: "asha", Name: "Asha", Workspace: acme, Role: rpc.RoleAgent}},
		{Hash: rpc.HashToken(samToken), Principal: rpc.Principal{ID: "sam", Name: "Sam", Workspace: acme, Role: rpc.RoleSupervisor}},
		{Hash: rpc.HashToken(benToken), Principal: rpc.Principal{ID: "ben", Name: "Ben", Workspace: acme, Role: rpc.RoleAgent}},
	}
}

// world is an edge over a whole engine, in memory and in virtual time: journal,
// actors, board, Connect.
type world struct {
	t      *testing.T
	wire   *wire
	tokens *rpc.Tokens
	dice   *rand.Rand // of its disks
	// mem is what is on the disk, which may take its time over syncs.
	mem     *vfs.MemFS
	patient bool
	copies  int
	up      bool
	// generation counts the journals: each has an identity of its own.
	generation int
	// tally is told what each life counted; nil: nobody is.
	tally *tally

	disk      *disk
	registry  *prometheus.Registry
	tail      *lossyLog
	bursts    *burstyBoards
	journal   *journal.Journal
	router    *actors.Router
	inbox     *actors.Inbox
	board     *actors.Board
	presences *actors.Presences
	edge      *rpc.Server
	http      *http.Server
	served    chan error

	ids   []engine.ConversationID // of the customers, as they came
	wrote int
}

// run runs scenario on a world within a synctest bubble and takes it down.
func run(t *testing.T, scenario func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		known, err := rpc.NewTokens(tokens())
		if err != nil {
			t.Fatalf("NewTokens: %v", err)
		}
		w := &world{
			t: t, wire: newWire(), tokens: known, dice: rand.New(rand.NewPCG(0, 'd')), mem: vfs.NewCrashableMem(), generation: 1,
		}
		w.start()
		defer w.stop(true)
		scenario(t, w)
	})
}

func (w *world) start() {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	w.disk = newDisk(w.mem, w.dice)
	var err error
	if w.journal, err = journal.Open("data", journalOptions(w.disk)); err != nil {
		w.t.Fatalf("open journal: %v", err)
	}
	w.router = actors.NewRouter(actors.RouterOptions{
		Store: w.journal, Policies: map[engine.WorkspaceID]engine.Policy{acme: {}}, Log: log,
	})
	w.tail = &lossyLog{Log: w.journal}
	if w.board, err = actors.StartBoard(w.tail, nil, log); err != nil {
		w.t.Fatalf("build board: %v", err)
	}
	w.bursts = &burstyBoards{Board: w.board}
	w.inbox = actors.NewInbox(w.router, w.journal, w.journal, 0)
	w.presences = actors.StartPresences(nil)
	w.registry = prometheus.NewRegistry()
	w.edge, err = rpc.New(rpc.Options{
		Commands: w.router, Conversations: w.journal, Boards: w.bursts, Presences: w.presences, Tokens: w.tokens,
		Starter: w.inbox, References: nothing{}, Identities: nothing{}, Overviews: nothing{}, DeadLetters: w.journal, Templates: nothing{}, Receipts: nothing{}, Media: nothing{},
		Settings: rpc.Settings{Channels: map[engine.ChannelID]engine.WorkspaceID{channel: acme, otherChannel: acme}}, JournalID: w.journal.ID(),
		Ready: func() bool { return true }, Log: log, Metrics: w.registry,
	})
	if err != nil {
		w.t.Fatalf("make edge: %v", err)
	}
	w.http = rpc.NewHTTPServer(w.named(w.edge.Handler()))
	w.http.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.http.RegisterOnShutdown(w.edge.Drain)
	w.served = make(chan error, 1)
	listener := w.wire.listen()
	go func() { w.served <- w.http.Serve(listener) }()
	w.disk.patient(w.patient)
	w.up = true
}

func journalOptions(fs vfs.FS) journal.Options {
	return journal.Options{
		FS: fs, Create: true, CacheBytes: 1 << 20, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
	}
}

// named has every answer say which generation it is of.
func (w *world) named(next http.Handler) http.Handler {
	generation := strconv.Itoa(w.generation)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set(generationHeader, generation)
		next.ServeHTTP(rw, r)
	})
}

// stop takes the engine down, with a word to its subscribers or without.
func (w *world) stop(drain bool) {
	w.t.Helper()
	if !w.up {
		return // a start failed
	}
	w.up = false
	w.disk.patient(false)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	end := w.http.Close
	if drain {
		end = func() error { return w.http.Shutdown(ctx) }
	}
	if err := end(); err != nil {
		w.t.Errorf("stop the HTTP server: %v", err)
	}
	if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
		w.t.Errorf("Serve: got %v, want %v", err, http.ErrServerClosed)
	}
	w.edge.Close()
	if err := w.router.Drain(ctx); err != nil {
		w.t.Errorf("drain: %v", err)
	}
	w.router.Stop()
	w.board.Stop()
	w.presences.Stop()
	if err := w.journal.Close(); err != nil {
		w.t.Errorf("close journal: %v", err)
	}
	if w.tally != nil {
		w.tally.count(w.t, w.registry)
	}
}

// restart takes the engine down and up again on the same disk.
func (w *world) restart(drain bool, down time.Duration) {
	w.t.Helper()
	w.stop(drain)
	time.Sleep(down)
	w.start()
}

// crash is a loss of power, at any moment: nobody hears of what happens after
// it, and some of what was not synced is gone.
func (w *world) crash(down time.Duration) {
	w.t.Helper()
	w.wire.cut(true)
	left := w.disk.cut()
	w.stop(false)
	w.mem = left
	time.Sleep(down)
	w.wire.heal()
	w.start()
}

// lose restarts on an empty disk: another journal.
func (w *world) lose() {
	w.t.Helper()
	w.stop(false)
	w.mem, w.ids = vfs.NewCrashableMem(), nil
	w.generation++
	w.start()
}

// backup copies the journal, as the files that a restore takes.
func (w *world) backup() map[string][]byte {
	w.t.Helper()
	w.disk.patient(false)
	defer w.disk.patient(w.patient)
	w.copies++ // a crash may bring back what was removed
	to := fmt.Sprint("copy-", w.copies)
	if err := w.journal.Checkpoint(to); err != nil {
		w.t.Fatalf("checkpoint: %v", err)
	}
	files := make(map[string][]byte)
	for _, name := range []string{"durable-mark", journal.ErasuresName} {
		files[name] = w.read(to + "/" + name)
	}
	store, err := w.mem.List(to + "/store")
	if err != nil {
		w.t.Fatalf("list checkpoint: %v", err)
	}
	for _, name := range store {
		files["store/"+name] = w.read(to + "/store/" + name)
	}
	if err := w.mem.RemoveAll(to); err != nil {
		w.t.Fatalf("remove checkpoint: %v", err)
	}
	return files
}

func (w *world) read(path string) []byte {
	w.t.Helper()
	f, err := w.mem.Open(path)
	if err != nil {
		w.t.Fatalf("open file: %v", err)
	}
	content, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		w.t.Fatalf("read file: %v", err)
	}
	return content
}

// restore restarts on a backup, which gets an identity of its own.
func (w *world) restore(files map[string][]byte) {
	w.t.Helper()
	w.stop(false)
	w.mem = vfs.NewCrashableMem()
	w.generation++
	if err := bringBack(w.mem, files); err != nil {
		w.t.Fatalf("restore: %v", err)
	}
	w.start()
	for n, id := range w.ids {
		if _, err := w.journal.Card(id); engine.CodeOf(err) == engine.CodeNotFound {
			w.ids[n] = engine.ConversationID{}
		} else if err != nil {
			w.t.Fatalf("card of %v: %v", id, err)
		}
	}
}

func bringBack(fs vfs.FS, files map[string][]byte) error {
	r, err := journal.BeginRestore("data", fs)
	if err != nil {
		return err
	}
	for name, content := range files {
		f, err := r.Create(name)
		if err != nil {
			return errors.Join(err, r.Abandon())
		}
		_, err = f.Write(slices.Clone(content)) // whoever writes it may spoil it
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return errors.Join(err, r.Abandon())
		}
	}
	if _, err := journal.Adopt(r.Dir(), journalOptions(fs)); err != nil {
		return errors.Join(err, r.Abandon())
	}
	return errors.Join(r.Commit(), r.Abandon())
}

// client calls as the holder of token, on a connection of its own.
func (w *world) client(token string) *client.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{DialContext: w.wire.dial, Protocols: &protocols}
	w.t.Cleanup(transport.CloseIdleConnections)
	return client.New(&http.Client{Transport: transport}, edgeURL, token)
}

func (w *world) follow(token string, query client.BoardQuery) *client.Board {
	board := w.client(token).FollowBoard(w.t.Context(), query)
	w.t.Cleanup(board.Close)
	return board
}

// says lets customer n write, who may be new.
func (w *world) says(n int) engine.ConversationID {
	w.t.Helper()
	w.wrote++
	contact := engine.Contact{Name: fmt.Sprintf("Customer %d", n), WaID: fmt.Sprintf("1555010%d", n)}
	at := channelOf(n)
	for _, err := range w.inbox.Receive(context.Background(), []engine.Inbound{{
		Workspace: acme, Channel: at,
		Message: &engine.Receive{
			Contact: contact, External: fmt.Sprintf("in-%d", w.wrote), SentAt: engine.InstantOf(time.Now()),
			Content: engine.Content{Kind: engine.ContentText, Text: fmt.Sprintf("hello %d", w.wrote)},
		},
	}}) {
		if err != nil {
			w.t.Fatalf("customer %d writes: %v", n, err)
		}
	}
	id, ok, err := w.journal.ByIdentity(at, engine.Identity{Kind: engine.IdentityWaID, Value: contact.WaID})
	if err != nil || !ok {
		w.t.Fatalf("conversation of customer %d: found %t, error %v", n, ok, err)
	}
	for len(w.ids) <= n {
		w.ids = append(w.ids, engine.ConversationID{})
	}
	w.ids[n] = id
	return id
}

// channelOf is where customer n writes: the first few on one, the others on both.
func channelOf(n int) engine.ChannelID {
	if n >= 4 && n%2 == 0 {
		return otherChannel
	}
	return channel
}

// do gives a command as somebody, past the edge.
func (w *world) do(id engine.ConversationID, by engine.Party, body engine.CommandBody) error {
	_, err := w.router.Do(context.Background(), id, engine.Command{Workspace: acme, By: by, Body: body})
	return err
}

func (w *world) must(id engine.ConversationID, bodies ...engine.CommandBody) {
	w.t.Helper()
	for _, body := range bodies {
		if err := w.do(id, engine.Party{Kind: engine.Supervisor, ID: "sam"}, body); err != nil {
			w.t.Fatalf("%T: %v", body, err)
		}
	}
}

func (w *world) version(id engine.ConversationID) uint64 {
	w.t.Helper()
	card, err := w.journal.Card(id)
	if err != nil {
		w.t.Fatalf("card of %v: %v", id, err)
	}
	return card.Version
}

// lossyLog is a log that may fall behind what it keeps.
type lossyLog struct {
	actors.Log
	behind atomic.Bool
}

func (l *lossyLog) Tail(ctx context.Context, after uint64, limit int) ([]engine.Change, error) {
	changes, err := l.Log.Tail(ctx, after, limit)
	if err == nil && l.behind.CompareAndSwap(true, false) {
		return nil, engine.Errorf(engine.CodeNotFound, "the log does not reach back that far")
	}
	return changes, err
}

// burstyBoards are boards of which more leaves at once than any view remembers.
type burstyBoards struct {
	*actors.Board
	bursts atomic.Int64 // how many updates have one
}

// burst is more than a view remembers.
const burst = 5000

func (b *burstyBoards) WatchBoard(ctx context.Context, q engine.BoardQuery, update func(engine.BoardUpdate) error) error {
	return b.Board.WatchBoard(ctx, q, func(u engine.BoardUpdate) error {
		if !u.Snapshot && b.bursts.Load() > 0 && b.bursts.Add(-1) >= 0 {
			for n := range uint32(burst) {
				none := engine.ConversationID{}
				binary.BigEndian.PutUint32(none[:], n+1)
				u.Removed = append(u.Removed, engine.BoardRemoval{Conversation: none, Version: 1})
			}
		}
		return update(u)
	})
}

// tally is what came of many schedules.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (a *tally) add(what string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = make(map[string]int)
	}
	a.counts[what] += n
}

// count adds up what a life of the edge counted by reasons.
func (a *tally) count(t *testing.T, registry *prometheus.Registry) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("gather metrics: %v", err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "reason" {
					a.add(strings.TrimPrefix(family.GetName(), "intervene_rpc_stream")+" "+label.GetValue(), int(m.GetCounter().GetValue()))
				}
			}
		}
	}
}

// nothing is what no test here asks for.
type nothing struct{}

func (nothing) Do(context.Context, engine.ConversationID, engine.Command) (engine.Receipt, error) {
	return engine.Receipt{}, errNothing
}

func (nothing) Begin(context.Context, engine.Command) (engine.ConversationID, engine.Receipt, error) {
	return engine.ConversationID{}, engine.Receipt{}, errNothing
}

func (nothing) DeadLetters(engine.WorkspaceID, engine.DeadLetter, int) ([]engine.DeadLetter, error) {
	return nil, errNothing
}

func (nothing) Renew(engine.Presence) time.Duration { return 0 }

func (nothing) Leave(engine.WorkspaceID, engine.AgentID, string) {}

func (nothing) WatchPresence(ctx context.Context, _ engine.WorkspaceID, _ func(engine.PresenceUpdate) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (nothing) WatchViewers(ctx context.Context, _ engine.WorkspaceID, _ engine.ConversationID, _ func([]engine.Viewer) error) error {
	<-ctx.Done()
	return ctx.Err()
}

var errNothing = &engine.Error{Code: engine.CodeNotFound}

func (nothing) ByExternal(engine.ChannelID, string) (engine.MessageID, bool, error) {
	return engine.MessageID{}, false, nil
}

func (nothing) ByIdentity(engine.ChannelID, engine.Identity) (engine.ConversationID, bool, error) {
	return engine.ConversationID{}, false, nil
}

func (nothing) Overview(engine.WorkspaceID, engine.Instant) engine.Overview { return engine.Overview{} }

func (nothing) Templates(context.Context, engine.ChannelID) ([]engine.TemplateInfo, error) {
	return nil, nil
}

func (nothing) MarkRead(context.Context, engine.ChannelID, string, bool) error { return nil }

func (nothing) Open(engine.ConversationID, engine.BlobID) (io.ReadCloser, int64, error) {
	return nil, 0, errNothing
}

func (nothing) Put(engine.ConversationID, io.Reader, int64, string) (engine.BlobID, int64, error) {
	return "", 0, errNothing
}

func (nothing) Remove(engine.ConversationID) error { return nil }
