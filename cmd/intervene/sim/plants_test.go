package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// plant is one bug, put into a copy of the engine: the auditor must find it.
type plant struct {
	name string
	// seeds is within how many seeds it is found.
	seeds uint64
	// short plants are looked for in every run of the tests, the others in long ones.
	short bool
	edits []edit
}

// edit replaces text that stands in file exactly once.
type edit struct{ file, old, new string }

var plants = []plant{
	{name: "ack before sync", seeds: 10, short: true, edits: []edit{
		{"engine/journal/publish.go", "	for b := range j.unsynced {\n", "	for b := range j.unsynced {\n		j.settle(b)\n"},
		{"engine/journal/publish.go", "			j.settle(b)\n			j.wakeKeeper()", "			j.wakeKeeper()"},
	}},
	{name: "publish before durable", seeds: 20, edits: []edit{
		{"engine/journal/publish.go", "	for b := range j.unsynced {\n", "	for b := range j.unsynced {\n		if n := len(b.changes); n > 0 {\n			j.ring.add(b.changes)\n			j.durable.raise(b.changes[n-1].Offset)\n		}\n"},
		{"engine/journal/publish.go", "		j.ring.add(b.changes)\n		j.durable.raise(b.changes[n-1].Offset)\n", ""},
	}},
	{name: "reads show what is not durable", seeds: 20, edits: []edit{
		{"engine/journal/publish.go", "	for offset > 0 {\n", "	for false {\n"},
	}},
	{name: "mark ahead of the disk", seeds: 20, edits: []edit{
		{"engine/journal/commit.go", "	b.applied = now()\n", "	b.applied = now()\n	c.wakeKeeper()\n"},
		{"engine/journal/keep.go", "	return j.mark.write(marked{identity: j.identity, offset: j.durable.offset()", "	return j.mark.write(marked{identity: j.identity, offset: j.assigned.Load()"},
	}},
	{name: "dedupe off", seeds: 5, short: true, edits: []edit{
		{"engine/journal/commit.go", "if r.claims[i].kind != kind {", "if r.claims[i].kind != kind || kind == engine.ClaimExternal {"},
	}},
	{name: "dedupe expires early", seeds: 30, edits: []edit{
		{"engine/journal/keep.go", "minuteOf(now.Add(-dedupeRetention - dedupeFresh))", "minuteOf(now.Add(-time.Minute))"},
	}},
	{name: "claim not checked", seeds: 10, edits: []edit{
		{"engine/journal/commit.go", "if r.claims[i].kind != kind {", "if r.claims[i].kind != kind || kind == engine.ClaimIdentity {"},
	}},
	{name: "failures acknowledged to the platform", seeds: 60, edits: []edit{
		{"rpc/whatsapp/webhook.go", "			all = false\n", ""},
	}},
	{name: "intervene is no compare-and-set", seeds: 5, edits: []edit{
		{"engine/decide_move.go", "		Intervened: {refuse: CodeHeldByOther}, // unless the holder asks again", "		Intervened: {to: Intervened},"},
	}},
	{name: "fence off", seeds: 10, edits: []edit{
		{"engine/decide_message.go", "	case d.c.Column == Intervened, d.cmd.Epoch != 0 && d.cmd.Epoch != d.c.Epoch:\n", "	case false:\n"},
		{"engine/decide_turn.go", "	if d.cmd.Epoch != d.c.Epoch {\n		return d.discard(b, CodeBotFenced)\n	}\n", ""},
	}},
	{name: "queued bot send survives intervene", seeds: 10, short: true, edits: []edit{
		{"engine/decide_outside.go", "		case s.State == Queued:\n", "		case false:\n"},
	}},
	{name: "bot send attempted after the hand-over", seeds: 10, edits: []edit{
		{"engine/decide_outside.go", "		case s.State == Queued:\n", "		case false:\n"},
		{"engine/decide_send.go", "	return s.By == Bot && (s.Version < c.HeldFrom || ", "	return s.By == Bot && ("},
	}},
	{name: "epoch stays when the holder changes", seeds: 10, edits: []edit{
		{"engine/apply.go", "	if c.Holder != b.Holder {\n", "	if c.Column != b.To {\n"},
	}},
	{name: "workspace not checked", seeds: 10, edits: []edit{
		{"engine/decide.go", "	return cmd.Workspace == c.Workspace || (", "	return cmd.Workspace != \"\" || ("},
	}},
	{name: "lost passivation handshake", seeds: 10, edits: []edit{
		{"actors/passivate.go", "bool { return e.waiting() == 0 && !e", "bool { return !e"},
		{"actors/router.go", "	q.answer.err = errUnanswered\n", ""},
		{"actors/router.go", "PassivateAfter = 5 * time.Minute", "PassivateAfter = 0"},
		{"actors/router.go", "SweepInterval = 30 * time.Second", "SweepInterval = time.Second"},
	}},
	{name: "owed turn forgotten after a crash", seeds: 20, edits: []edit{
		{"actors/due.go", "		w.offer(item.Conversation)\n", "		if w.kind != engine.DueTurn {\n			w.offer(item.Conversation)\n		}\n"},
	}},
	{name: "accepted turn forgotten", seeds: 10, edits: []edit{
		{"engine/apply.go", "c.Turn.At = b.Until, b.Through, max(b.Until, c.MutedUntil)", "c.Turn.At = b.Until, b.Through, 0"},
	}},
	{name: "bot not told of a resolve", seeds: 20, edits: []edit{
		{"engine/apply.go", "			c.Turn = Turn{From: e.Version, Returned: e.Version, At: max(e.At, c.MutedUntil)}\n", "			c.Turn = Turn{}\n"},
	}},
	{name: "status going back", seeds: 10, edits: []edit{
		{"engine/delivery.go", "		return s < next\n", "		return s != next\n"},
	}},
	{name: "timer lost", seeds: 20, edits: []edit{
		{"engine/decide_move.go", "TimerArmed{Timer: DueWindow, At: d.c.WindowEnd()}", "TimerArmed{Timer: DueWindow}"},
	}},
	{name: "idle intervention kept", seeds: 20, edits: []edit{
		{"engine/decide_move.go", "TimerArmed{Timer: DueAutoResolve, At: d.now.Add(after - idle)}", "TimerArmed{Timer: DueAutoResolve}"},
	}},
	{name: "first outcome forgotten", seeds: 10, edits: []edit{
		{"actors/conversation.go", "ok && first.Version < state.Version {", "ok && first.Version > state.Version {"},
	}},
	{name: "outcomes missing in the snapshot", seeds: 20, edits: []edit{
		{"engine/journal/encode.go", "	for i := range c.Outcomes {\n", "	for i := range c.Outcomes[:0] {\n"},
	}},
	{name: "snapshot one event short", seeds: 10, edits: []edit{
		{"engine/journal/load.go", "	err = scanEvents(r, id, c.Version, version, func(e *engine.Event, _ bool) error {\n", "	from := c.Version\n	err = scanEvents(r, id, c.Version, version, func(e *engine.Event, _ bool) error {\n		if from > 0 && e.Version == from+1 {\n			return nil\n		}\n"},
	}},
	{name: "attempted after the call", seeds: 20, edits: []edit{
		{"actors/conversation.go", "c.router.commit(r, engine.Append{", "early(c, cmd, next.Index(), engine.Append{"},
		{"actors/conversation.go", "// inform adds to a command", `// early answers an attempt before it is durable.
func early(c *conversation, cmd engine.Command, after engine.Index, a engine.Append) (engine.Change, error) {
	if _, ok := cmd.Body.(engine.AttemptSend); !ok {
		return c.router.store.Append(a)
	}
	state := *a.After // the router uses its room again
	a.After = &state
	go c.router.store.Append(a)
	return engine.Change{Conversation: a.Conversation, Version: a.After.Version, Before: a.Before, After: after}, nil
}

// inform adds to a command`},
	}},
	{name: "unknown outcome tried again", seeds: 30, edits: []edit{
		{"engine/decide_send.go", "		change.State = Unknown\n	case", "		change.State = Queued\n	case"},
	}},
	{name: "lost answer tried again", seeds: 10, edits: []edit{
		{"rpc/whatsapp/graph_outcome.go", "		return engine.AttemptResult{State: engine.Unknown}, 0\n	case isSuccess", "		return g.retry(o, answer, paceRetry)\n	case isSuccess"},
	}},
	{name: "conversation stays on the board", seeds: 30, edits: []edit{
		{"actors/board_index.go", "	if ok {\n		w.remove(r)\n", "	if ok && after.Column.OnBoard() {\n		w.remove(r)\n"},
	}},
	{name: "board forgets what changed", seeds: 30, edits: []edit{
		{"actors/watch.go", "	return card, !known || !before.card.SameFace(&card), nil", "	return card, !known || before.card.Column != card.Column, nil"},
	}},
	{name: "note put down to another", seeds: 10, edits: []edit{
		{"engine/decide.go", "		last.Command, last.Digest = cmd.ID, cmd.Digest\n", "		last.Command, last.Digest = cmd.ID, cmd.Digest\n		if _, ok := cmd.Body.(AddNote); ok {\n			last.By.ID += \"-else\"\n		}\n"},
	}},
	{name: "fenced words not kept", seeds: 10, edits: []edit{
		{"engine/decide_message.go", "		d.emit(BotDiscarded{Content: message.Content, Epoch: d.cmd.Epoch, Reason: code})\n", ""},
	}},
	{name: "passive conversations kept", seeds: 5, edits: []edit{
		{"actors/passivate.go", "|| e.empty.Load()) && e.releasable() {", "|| e.empty.Load()) && e.releasable() && r == nil {"},
	}},
	{name: "log names the customer", seeds: 10, edits: []edit{
		{"actors/turns.go", "t.log.WarnContext(ctx, \"bot failed\", ", "t.log.WarnContext(ctx, \"bot failed\", slog.String(\"contact\", request.Contact.WaID), "},
	}},
	{name: "panic in a decision", seeds: 5, edits: []edit{
		{"engine/decide_outside.go", "	for _, s := range d.c.Sends {\n", "	for _, s := range d.c.Sends[:1] {\n"},
	}},
	{name: "stream not woken", seeds: 10, edits: []edit{
		{"actors/board.go", "		if f, ok := b.followers[c.Conversation]; ok {\n			f.wake()\n", "		if f, ok := b.followers[c.Conversation]; ok && c.After.Column != c.Before.Column {\n			f.wake()\n"},
	}},
	{name: "pace ignored", seeds: 60, edits: []edit{
		{"actors/courier.go", "	return c.pace.Reserve(work.channel, work.contact) == 0\n", "	return c.pace.Reserve(work.channel, work.contact) >= 0\n"},
	}},
	{name: "hash of a file not checked", seeds: 20, edits: []edit{
		{"engine/media/store.go", "err == nil && want != \"\" && want != string(sum.Sum(nil)) {", "err == nil && want == \"?\" {"},
	}},
	{name: "repeated twice", seeds: 60, edits: []edit{
		{"engine/apply_delivery.go", "	if b.Repeated {\n		s.Repeatable = false\n", "	if b.Repeated && b.Held {\n		s.Repeatable = false\n"},
	}},
	{name: "repeated unasked", seeds: 10, edits: []edit{
		{"engine/apply_delivery.go", "		if send.Repeatable && !c.overtaken(send, e.At) {\n", "		if !c.overtaken(send, e.At) {\n"},
	}},
	{name: "echo does not mute", seeds: 10, edits: []edit{
		{"engine/apply_keep.go", "	c.MutedUntil = max(c.MutedUntil, b.MutedUntil)\n", "	c.MutedUntil = max(c.MutedUntil, 0)\n"},
	}},
	{name: "older edit wins", seeds: 40, edits: []edit{
		{"engine/board.go", "b.What == Edited && b.SentAt >= a.EditedAt && a.RevokedAt == 0:", "b.What == Edited && a.RevokedAt == 0:"},
	}},
	{name: "identity of the erased kept", seeds: 40, edits: []edit{
		{"engine/journal/erase.go", "		if d.removal.erases {\n			d.buf = identityKey(", "		if d.removal.erases && len(c) == 0 {\n			d.buf = identityKey("},
	}},
	{name: "bytes of the erased kept", seeds: 40, edits: []edit{
		{"actors/erasure.go", "		err := e.eraser.Purge(e.ctx, e.blobs.Remove)\n", "		err := error(nil)\n"},
	}},
	{name: "claimed change never taken", seeds: 5, edits: []edit{
		{"actors/inbox.go", "			changed = len(known.Identities()) > 0 // ", "			// "},
	}},
	{name: "resend forgotten", seeds: 250, edits: []edit{
		{"actors/deliveries.go", "				known.ResentAs = events[i].Version\n", "				known.ResentAs = 0\n"},
	}},
	{name: "restore holds no sends", seeds: 60, edits: []edit{
		{"engine/journal/restore.go", "	if a.Sends, err = j.holdAll(engine.DueSend); err != nil {\n", "	if err != nil {\n"},
	}},
	{name: "restored journal keeps its name", seeds: 20, short: true, edits: []edit{
		{"engine/journal/restore.go", "	return a, j.rename(a.After)\n", "	return a, nil\n"},
	}},
	{name: "restore forgets who was erased", seeds: 60, edits: []edit{
		{"cmd/intervene/restore/restore.go", "range journal.MergeErasures(erasures, nil) {", "range journal.MergeErasures(nil, nil) {"},
	}},
	{name: "restore keeps files of nobody", seeds: 120, edits: []edit{
		{"cmd/intervene/restore/restore.go", "	if err := dropStrays(j, files); err != nil {\n		return err\n	}\n", ""},
	}},
	{name: "file given up at its first failure", seeds: 20, edits: []edit{
		{"actors/media.go", "	if now > at.Add(engine.MediaExpiry) {\n", "	if now > at {\n"},
	}},
	{name: "answer to a turn that is over is said", seeds: 60, edits: []edit{
		{"engine/decide_turn.go", "	over := d.cmd.Epoch == d.c.Epoch && (!t.Owed() || t.From != b.From) && !muted\n", "	over := false\n"},
		{"engine/decide_turn.go", "	t := d.c.Turn\n	muted :=", "	muted :="},
	}},
	{name: "memory of the bot lost with the snapshot", seeds: 20, edits: []edit{
		{"engine/journal/encode.go", "Variables: variables(c.Variables), ", "Variables: variables(c.Variables[:0]), "},
	}},
	{name: "held work is done", seeds: 60, edits: []edit{
		{"engine/journal/due.go", "		if j.Held(item.Kind, item.Conversation) {\n", "		if false {\n"},
		{"actors/due.go", "	if w.agenda.Held(w.kind, id) {\n", "	if false {\n"},
	}},
	{name: "one upload for all files", seeds: 60, edits: []edit{
		{"rpc/whatsapp/graph_upload.go", "u.known.Get(key); ok", "u.known.Get(uploadKey{channel: key.channel, conversation: key.conversation}); ok"},
		{"rpc/whatsapp/graph_upload.go", "u.known.Add(key, ", "u.known.Add(uploadKey{channel: key.channel, conversation: key.conversation}, "},
	}},
	{name: "memory of the bot kept in Active alone", seeds: 20, edits: []edit{
		{"engine/apply.go", "	if b.Variables != nil {\n", "	if b.Variables != nil && c.Column == Active {\n"},
	}},
	{name: "written first against the policy", seeds: 30, edits: []edit{
		{"engine/decide_write.go", "	} else if !d.policy.WriteFirst {\n", "	} else if false {\n"},
	}},
	{name: "marketing to who wants none", seeds: 120, edits: []edit{
		{"engine/decide_write.go", "	if err := d.checkConsent(b.Content); err != nil {\n		return err\n	}\n", ""},
		{"engine/decide_write.go", "		return d.checkConsent(content)\n", "		return nil\n"},
	}},
	{name: "stop by a word not heard", seeds: 30, edits: []edit{
		{"engine/decide_message.go", "	if b.Consent != 0 {\n", "	if false {\n"},
	}},
	{name: "call without its epoch", seeds: 20, edits: []edit{
		{"rpc/command.go", "	cmd.Epoch = request.GetExpectedEpoch()\n", ""},
	}},
	{name: "another call passes for the first", seeds: 40, edits: []edit{
		{"rpc/command.go", "	return engine.Digest(h.Sum(nil)[:len(engine.Digest{})]), nil\n", "	return engine.Digest{1}, nil\n"},
	}},
	{name: "caller not told who holds it", seeds: 20, edits: []edit{
		{"rpc/errors.go", "		state[\"holder\"], state[\"holder_agent_id\"] = string(e.Holder), string(e.Holder)\n", ""},
	}},
	{name: "answered with what was sent before", seeds: 20, edits: []edit{
		{"rpc/send.go", "engine.MessageID{Conversation: id, Version: receipt.Version})", "engine.MessageID{Conversation: id, Version: receipt.Version - 1})"},
	}},
	{name: "turn signed as another", seeds: 10, edits: []edit{
		{"rpc/bot_webhook.go", "sign(request.Header, r.GetTurnId(), ", "sign(request.Header, r.GetConversationId(), "},
	}},
	{name: "bot called without its token", seeds: 10, edits: []edit{
		{"rpc/bot_port.go", "		if o.Token != \"\" {\n", "		if false {\n"},
	}},
	{name: "bot called again by another name", seeds: 20, edits: []edit{
		{"rpc/bot_turn.go", "TurnId: r.ID.String(), ", "TurnId: engine.MessageID{Conversation: r.ID.Conversation, Version: r.Through}.String(), "},
	}},
	{name: "remote bot not told of a resolve", seeds: 20, edits: []edit{
		{"rpc/bot_turn.go", "	if r.Returned {\n", "	if false {\n"},
	}},
	{name: "remote bot answers in part", seeds: 20, edits: []edit{
		{"rpc/bot_answer.go", "			answer.Say = append(answer.Say, content)\n", "			answer.Say = append(answer.Say[:0], content)\n"},
	}},
	{name: "broken answer taken for none", seeds: 30, edits: []edit{
		{"rpc/bot_webhook.go", "		return nil, engine.Errorf(engine.CodeUnavailable, \"bot cannot be reached%s\", dialFailure(err))\n", "		return &intervenev1.TurnResponse{}, nil\n"},
	}},
	{name: "submission of any epoch", seeds: 20, edits: []edit{
		{"rpc/bot_gateway.go", "By: who.party(), Epoch: r.GetEpoch(), Body", "By: who.party(), Body"},
	}},
	{name: "submission named by its time", seeds: 40, edits: []edit{
		{"rpc/bot_gateway.go", "/Submit \" + r.GetTurnId())", "/Submit \" + r.GetTurnId() + time.Now().String())"},
		{"rpc/bot_gateway.go", "	\"fmt\"\n", "	\"fmt\"\n	\"time\"\n"},
	}},
	{name: "another submission passes for the first", seeds: 40, edits: []edit{
		{"rpc/bot_gateway.go", "	sum := sha256.Sum256(payload)\n", "	sum := sha256.Sum256(payload[:0])\n"},
	}},
	{name: "age never ends", seeds: 20, edits: []edit{
		{"engine/decide_retention.go", "		d.emit(Erased{})\n		return\n", "		return\n"},
	}},
	{name: "age ends early", seeds: 30, edits: []edit{
		{"engine/decide_retention.go", "At: d.now.Add(d.policy.Retention)})", "At: d.now.Add(d.policy.Retention / 240)})"},
		{"engine/decide_retention.go", "c.LastActivity.Add(d.policy.Retention) <=", "c.LastActivity.Add(d.policy.Retention / 240) <="},
	}},
	{name: "old content kept", seeds: 60, edits: []edit{
		{"engine/decide_retention.go", "	keep := min(oldestKept, c.oldestNeeded())\n", "	keep := min(oldestKept, 1)\n"},
	}},
	{name: "resume forgets what left", seeds: 20, edits: []edit{
		{"rpc/board.go", "		if shown[id] {\n", "		if shown[id] || version > 0 {\n"},
	}},
	{name: "token of a lost journal taken", seeds: 30, edits: []edit{
		{"rpc/cursor.go", "bool { return hmac.Equal(token, made) }", "bool { return len(token) == len(made) }"},
	}},
	{name: "slow stream misses what was before", seeds: 30, edits: []edit{
		{"rpc/view.go", "		if card.changed > place {\n", "		if card.changed == v.seq {\n"},
	}},
	{name: "rebuilt board without a reset", seeds: 30, edits: []edit{
		{"rpc/view.go", "		c.reset = intervenev1.ResetReason_RESET_REASON_REBUILT\n", ""},
	}},
	{name: "lease never ends", seeds: 10, edits: []edit{
		{"actors/presence.go", "	} else {\n		p.end(s, leaseExpired)\n	}\n", "	}\n"},
	}},
	{name: "typing lasts as long as the lease", seeds: 20, edits: []edit{
		{"actors/presence.go", "		next = s.typingUntil\n", "		next = s.expires\n"},
	}},
	{name: "who has gone is not told", seeds: 20, edits: []edit{
		{"actors/presence_watch.go", "changedAfter(&w.gone, seen, changedAfter(&w.online, seen, nil))", "changedAfter(&w.online, seen, nil)"},
	}},
	{name: "viewer never leaves", seeds: 30, edits: []edit{
		{"actors/presence.go", "			c.remove(now.Agent)\n", ""},
	}},
}

const moduleRoot = "../../.."

// TestPlants checks that every plant still fits the engine's text.
func TestPlants(t *testing.T) {
	names := make(map[string]bool)
	for _, p := range plants {
		if names[p.name] {
			t.Errorf("plant %q is there twice", p.name)
		}
		names[p.name] = true
		if _, err := p.apply(); err != nil {
			t.Errorf("plant %q: %v", p.name, err)
		}
	}
}

// TestPlantedBugs builds the simulation on an engine with one bug in it, for
// each, and has it find the bug.
func TestPlantedBugs(t *testing.T) {
	for _, p := range plants {
		if !p.short && !soaking() && *planted == "" || !strings.Contains(p.name, *planted) {
			continue
		}
		t.Run(strings.ReplaceAll(p.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			p.find(t)
		})
	}
}

// apply answers the files that the plant changes, as it leaves them.
func (p *plant) apply() (map[string]string, error) {
	files := make(map[string]string)
	for _, e := range p.edits {
		text, ok := files[e.file]
		if !ok {
			read, err := os.ReadFile(filepath.Join(moduleRoot, e.file))
			if err != nil {
				return nil, err
			}
			text = string(read)
		}
		if n := strings.Count(text, e.old); n != 1 {
			return nil, fmt.Errorf("%s holds %q %d times, want once", e.file, e.old, n)
		}
		files[e.file] = strings.Replace(text, e.old, e.new, 1)
	}
	return files, nil
}

// build makes the simulation with the plant in it, in dir. The tree is not
// touched. The flags are those of the binary, which leaves less to compile.
func (p *plant) build(ctx context.Context, dir string) (binary string, err error) {
	files, err := p.apply()
	if err != nil {
		return "", err
	}
	replace := make(map[string]string)
	for file, text := range files {
		path, err := filepath.Abs(filepath.Join(moduleRoot, file))
		if err != nil {
			return "", err
		}
		replace[path] = filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlayPath, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "sim.test")
	if err := os.WriteFile(overlayPath, overlay, 0o600); err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-vet=off", "-ldflags=-s -w", "-overlay", overlayPath, "-o", binary, ".")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, nil
}

// run builds and runs the plant's seeds in dir, and fails as they do.
func (p *plant) run(ctx context.Context, dir string) error {
	binary, err := p.build(ctx, dir)
	if err != nil {
		return err
	}
	return child(ctx, binary, 1, p.seeds, *busy)
}

var found = regexp.MustCompile(`--- FAIL: TestSimulation/seed=(\d+) \(.*\)\n.*violations:\n\s*(.*)`)

// crash is a bug of the engine that ends its process. A deadlock is none: it may
// be the simulation's own.
var crash = regexp.MustCompile(`panic: runtime error: .*`)

// find runs up to the plant's number of seeds, one of which must find it.
func (p *plant) find(t *testing.T) {
	err := p.run(t.Context(), t.TempDir())
	failed, ok := errors.AsType[*failure](err)
	if !ok {
		t.Fatalf("%d seeds end with %v, want a violation", p.seeds, err)
	}
	told := found.FindSubmatch(failed.out)
	if died := crash.FindSubmatch(failed.out); told == nil && died != nil {
		t.Logf("found by a crash: %s", died[0])
		return
	}
	if told == nil {
		t.Fatalf("the simulation ends without a violation: %v", err)
	}
	t.Logf("found by seed %s: %s", told[1], told[2])
}
