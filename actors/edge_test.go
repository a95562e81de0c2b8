package actors_test

import (
	"context"
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intervenehq/intervene/actors"
	"github.com/intervenehq/intervene/engine"
)

// shelf is where the platform keeps files, by their ID; fail is what it answers
// instead, by turns.
type shelf struct {
	mu    sync.Mutex
	files map[string]string
	fail  []error
	asked int
}

func (s *shelf) Fetch(_ context.Context, _ engine.ChannelID, m engine.Media) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if len(s.fail) > 0 {
		err := s.fail[0]
		s.fail = s.fail[1:]
		return nil, err
	}
	return io.NopCloser(strings.NewReader(s.files[m.ID])), nil
}

// sleepWhileDown lets d pass without an engine that looks at it every minute.
func (w *world) sleepWhileDown(d time.Duration) {
	w.t.Helper()
	if d == 0 {
		return
	}
	w.stop()
	time.Sleep(d)
	w.start()
}

// sendsPicture delivers a picture of customer and answers its message.
func (w *world) sendsPicture(customer string, m engine.Media) engine.MessageID {
	w.t.Helper()
	w.wamids++
	w.deliver(engine.Inbound{Workspace: acme, Channel: channel, Message: &engine.Receive{
		Contact:  engine.Contact{Name: customer, WaID: "wa-" + customer},
		External: "picture-" + m.ID + "-" + customer, SentAt: engine.InstantOf(time.Now()),
		Content: engine.Content{Kind: engine.ContentImage, Media: &m},
	}})
	for _, e := range w.events(customer) {
		if b, ok := e.Body.(engine.MessageReceived); ok && b.External == "picture-"+m.ID+"-"+customer {
			return engine.MessageID{Conversation: w.of(customer), Version: e.Version}
		}
	}
	w.t.Fatal("picture: got no message, want one")
	return engine.MessageID{}
}

func (w *world) mediaOf(id engine.MessageID) engine.MediaStatus {
	w.t.Helper()
	message, err := w.journal.Message(id)
	if err != nil {
		w.t.Fatalf("message: %v", err)
	}
	return message.Media
}

func TestMediaIsDownloaded(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		content := strings.Repeat("p", 1000)
		sum := sha256.Sum256([]byte(content))
		w.source.files["1"] = content
		w.source.fail = []error{&engine.Error{Code: engine.CodeUnavailable}, &engine.Error{Code: engine.CodeUnavailable}}
		id := w.sendsPicture("ana", engine.Media{ID: "1", MIME: "image/png", SHA256: string(sum[:])})
		synctest.Wait()
		if got := w.mediaOf(id).State; got != engine.MediaPending {
			t.Errorf("while it cannot be had: got %v, want pending", got)
		}
		time.Sleep(4 * actors.MediaRetry)
		synctest.Wait()
		got := w.mediaOf(id)
		if got.State != engine.MediaStored || got.Bytes != 1000 {
			t.Fatalf("media: got %+v, want 1000 bytes stored", got)
		}
		file, _, err := w.blobs.Open(id.Conversation, got.Blob)
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		read, err := io.ReadAll(file)
		if err != nil || string(read) != content {
			t.Errorf("file: got %d bytes (error %v), want the picture", len(read), err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMediaThatNeverComes(t *testing.T) {
	wrong := sha256.Sum256([]byte("another picture"))
	tests := []struct {
		name  string
		media engine.Media
		file  string
		fail  []error
		wait  time.Duration
		want  engine.MediaState
	}{
		{"gone", engine.Media{ID: "1"}, "", []error{&engine.Error{Code: engine.CodeNotFound}}, 0, engine.MediaExpired},
		{"may not be fetched", engine.Media{ID: "1"}, "", []error{&engine.Error{Code: engine.CodeInvalid}}, 0, engine.MediaFailed},
		{"not what was announced", engine.Media{ID: "1", SHA256: string(wrong[:])}, "a picture", nil, 0, engine.MediaFailed},
		{"too large", engine.Media{ID: "1"}, strings.Repeat("p", 5<<20+1), nil, 0, engine.MediaFailed},
		{
			"never answered",
			engine.Media{ID: "1"},
			"",
			slices.Repeat([]error{&engine.Error{Code: engine.CodeUnavailable}}, 1000), engine.MediaExpiry + 24*time.Hour, engine.MediaExpired,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run(t, engine.Policy{}, func(t *testing.T, w *world) {
				w.source.files["1"], w.source.fail = tt.file, tt.fail
				id := w.sendsPicture("ana", tt.media)
				w.sleepWhileDown(tt.wait)
				w.settle()
				if got := w.mediaOf(id).State; got != tt.want {
					t.Errorf("media: got %v, want %v", got, tt.want)
				}
				if w.source.asked > engine.MaxMediaAttempts {
					t.Errorf("attempts: got %d, want at most %d", w.source.asked, engine.MaxMediaAttempts)
				}
			})
		})
	}
}

// TestPaceHoldsSendsBack: what may not go yet stays queued and spends no attempt.
func TestPaceHoldsSendsBack(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.platform.pace(time.Hour)
		w.says("ana", "hello")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		state, err := w.journal.Load(w.of("ana"))
		if err != nil || len(state.Sends) != 1 || state.Sends[0].Attempt != 0 {
			t.Fatalf("sends: got %+v (error %v), want one without attempts", state.Sends, err)
		}
		w.platform.pace(0)
		w.settle()
		if got := w.platform.texts("ana"); len(got) != 1 {
			t.Errorf("sent: got %q, want the bot's answer", got)
		}
	})
}

// TestStatusOvertakesItsSend: a status that comes before the platform's answer to
// its send is kept, over a restart too, and recorded with the answer.
func TestStatusOvertakesItsSend(t *testing.T) {
	for _, restart := range []bool{false, true} {
		run(t, engine.Policy{}, func(t *testing.T, w *world) {
			w.platform.set(func(o engine.Outbound) (engine.AttemptResult, time.Duration) {
				early := engine.Inbound{Workspace: acme, Channel: channel, Status: &engine.Status{
					External: "out-" + o.ID.String(), State: engine.Delivered, At: engine.InstantOf(time.Now()),
				}}
				for _, err := range w.inbox.Receive(context.Background(), []engine.Inbound{early, early}) {
					if err != nil {
						t.Errorf("early status: got error %v, want none", err)
					}
				}
				return engine.AttemptResult{State: engine.Accepted}, 0
			})
			foreign := engine.Inbound{Workspace: acme, Channel: channel, Status: &engine.Status{External: "not-ours", State: engine.Read}}
			w.deliver(foreign)
			w.says("ana", "hello")
			w.settle()
			if restart {
				w.restart()
				w.settle()
			}
			state := engine.DeliveryState(0)
			for _, e := range w.events("ana") {
				if b, ok := e.Body.(engine.DeliveryChanged); ok {
					state = b.State
				}
			}
			if state != engine.Delivered {
				t.Errorf("restart %v: delivery: got %v, want delivered", restart, state)
			}
			left, err := w.journal.AllEarlyStatuses(10)
			if err != nil || len(left) != 1 || left[0].Status.External != "not-ours" {
				t.Errorf("early statuses: got %d (error %v), want the foreign one alone", len(left), err)
			}
		})
	}
}

// TestVariantsOfANumber: a number is known in each of its ways of writing, and
// stays as it came.
func TestVariantsOfANumber(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		message := func(waID, external string) engine.Inbound {
			return engine.Inbound{Workspace: acme, Channel: channel, Message: &engine.Receive{
				Contact: engine.Contact{WaID: waID}, External: external, SentAt: engine.InstantOf(time.Now()),
				Content: engine.Content{Kind: engine.ContentText, Text: "oi"},
			}}
		}
		w.deliver(message("5511987654321", "1"))
		w.deliver(message("551187654321", "2"))
		id, ok, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: "5511987654321"})
		if err != nil || !ok {
			t.Fatalf("by identity: found %v, error %v", ok, err)
		}
		messages, err := w.journal.Messages(id, 0, 10)
		if err != nil {
			t.Fatalf("messages: %v", err)
		}
		received := 0
		for _, m := range messages {
			if m.Event.By.Kind == engine.Customer {
				received++
			}
		}
		card, err := w.journal.Card(id)
		if err != nil || received != 2 || card.Contact.WaID != "5511987654321" {
			t.Errorf("got %d messages of %q (error %v), want both in one conversation of the first number", received, card.Contact.WaID, err)
		}
	})
}

// TestMessageThatLinksTwoContacts goes where its user id is known, and flags the other.
func TestMessageThatLinksTwoContacts(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		message := func(c engine.Contact, external string) engine.Inbound {
			return engine.Inbound{Workspace: acme, Channel: channel, Message: &engine.Receive{
				Contact: c, External: external, SentAt: engine.InstantOf(time.Now()), Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
			}}
		}
		w.deliver(message(engine.Contact{WaID: "15550123"}, "1"), message(engine.Contact{UserID: "US.ana"}, "2"))
		both := message(engine.Contact{WaID: "15550123", UserID: "US.ana"}, "3")
		w.deliver(both)
		w.deliver(both)
		w.deliver(message(engine.Contact{WaID: "15550123", UserID: "US.ana"}, "4"))
		byUser, _, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityUserID, Value: "US.ana"})
		if err != nil {
			t.Fatal(err)
		}
		byNumber, _, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: "15550123"})
		if err != nil || byNumber == byUser {
			t.Fatalf("conversations: got %v and %v (error %v), want two", byUser, byNumber, err)
		}
		state, err := w.journal.Load(byUser)
		if err != nil || !slices.Equal(state.Linked, []engine.ConversationID{byNumber}) {
			t.Errorf("linked: got %v (error %v), want %v alone", state.Linked, err, byNumber)
		}
		received := 0
		events, err := w.journal.Events(byUser, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Body.Kind() == engine.KindMessageReceived {
				received++
			}
		}
		if received != 3 {
			t.Errorf("messages by user id: got %d, want 3", received)
		}
	})
}

// TestChangeToWhatIsKnown: whoever changed their number may have written under
// the new one before that was told.
func TestChangeToWhatIsKnown(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.says("old", "hello")
		w.says("new", "hello again")
		w.deliver(engine.Inbound{Workspace: acme, Channel: channel, Change: &engine.ChangeContact{
			Contact: engine.Contact{WaID: "wa-old"}, Changed: engine.Contact{WaID: "wa-new"},
			External: "change", SentAt: engine.InstantOf(time.Now()),
		}})
		if got, want := w.card("old").Linked, []engine.ConversationID{w.of("new")}; !slices.Equal(got, want) {
			t.Errorf("linked: got %v, want %v", got, want)
		}
	})
}

// TestStartConversation: two that begin one at once end up in one conversation.
func TestStartConversation(t *testing.T) {
	run(t, engine.Policy{WriteFirst: true}, func(t *testing.T, w *world) {
		var mu sync.Mutex
		ids := make(map[engine.ConversationID]int)
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				id, _, err := w.inbox.Begin(context.Background(), engine.Command{Workspace: acme, By: agent("ag"), Body: engine.StartConversation{
					Channel: channel, Contact: engine.Contact{WaID: "15550123"},
					Content: engine.Content{Kind: engine.ContentTemplate, Template: &engine.Template{Name: "hello", Language: "en", Category: engine.Utility}},
				}})
				mu.Lock()
				defer mu.Unlock()
				ids[id]++
				if err != nil {
					t.Errorf("begin: got error %v, want none", err)
				}
			})
		}
		group.Wait()
		column := func() engine.Column {
			for id := range ids {
				card, err := w.journal.Card(id)
				if err != nil {
					t.Fatalf("card: %v", err)
				}
				return card.Column
			}
			return 0
		}
		if len(ids) != 1 || column() != engine.History {
			t.Errorf("got %d conversations in %v, want one in history", len(ids), column())
		}
		for range 4 { // one at a time, each until its status or SentWait
			time.Sleep(engine.SentWait)
			w.settle()
		}
		if got := len(w.platform.sent); got != 4 {
			t.Errorf("sent: got %d templates, want 4", got)
		}
		w.deliver(engine.Inbound{Workspace: acme, Channel: channel, Message: &engine.Receive{
			Contact: engine.Contact{WaID: "15550123"}, External: "answer", SentAt: engine.InstantOf(time.Now()),
			Content: engine.Content{Kind: engine.ContentText, Text: "hi"},
		}})
		if got := column(); got != engine.Active {
			t.Errorf("after the answer: got %v, want active", got)
		}
	})
}

// TestErasedIsGone: nobody finds what was erased, its files are gone, and the
// same person begins anew.
func TestErasedIsGone(t *testing.T) {
	run(t, engine.Policy{}, func(t *testing.T, w *world) {
		w.source.files["1"] = "picture"
		id := w.sendsPicture("ana", engine.Media{ID: "1"})
		w.settle()
		stored := w.mediaOf(id)
		w.must("ana", engine.Party{Kind: engine.Supervisor, ID: "boss"}, engine.Erase{})
		w.settle()
		if _, _, err := w.blobs.Open(id.Conversation, stored.Blob); engine.CodeOf(err) != engine.CodeNotFound {
			t.Errorf("file: got error %v, want not found", err)
		}
		if _, ok, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: "wa-ana"}); ok || err != nil {
			t.Errorf("identity: found %v, error %v, want nothing", ok, err)
		}
		w.restart()
		w.says("ana", "hello again")
		if got := w.of("ana"); got == id.Conversation {
			t.Error("new message: got it in the erased conversation, want it in another")
		}
	})
}

// TestRetentionForgets: what is older than the workspace keeps is gone.
func TestRetentionForgets(t *testing.T) {
	const days = 24 * time.Hour
	run(t, engine.Policy{Retention: 30 * days}, func(t *testing.T, w *world) {
		w.source.files["1"], w.source.files["2"] = "old picture", "newer picture"
		old := w.sendsPicture("ana", engine.Media{ID: "1"})
		w.says("ben", "old")
		w.settle()
		oldFile := w.mediaOf(old).Blob
		w.sleepWhileDown(20 * days)
		w.says("ana", "newer")
		newer := w.sendsPicture("ana", engine.Media{ID: "2"})
		w.settle()
		w.sleepWhileDown(11 * days)
		w.settle()
		for blob, want := range map[engine.BlobID]engine.Code{oldFile: engine.CodeNotFound, w.mediaOf(newer).Blob: 0} {
			file, _, err := w.blobs.Open(w.of("ana"), blob)
			if got := engine.CodeOf(err); got != want {
				t.Errorf("file: got %v, want code %v", err, want)
			}
			if err == nil {
				if err := file.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		for _, e := range func() []engine.Event {
			events, err := w.journal.Events(w.of("ana"), 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			return events
		}() {
			if b, ok := e.Body.(engine.MessageReceived); ok && b.Content.Text != "newer" && b.Content.Media == nil || ok && b.SentAt < engine.InstantOf(time.Now()).Add(-30*days) {
				t.Errorf("ana: got %q kept, want it gone", b.Content.Text)
			}
		}
		if _, ok, err := w.journal.ByIdentity(channel, engine.Identity{Kind: engine.IdentityWaID, Value: "wa-ben"}); ok || err != nil {
			t.Errorf("ben, who never came back: found %v, error %v, want nothing", ok, err)
		}
	})
}
