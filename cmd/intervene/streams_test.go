package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/intervenehq/intervene/rpc/client"
	intervenev1 "github.com/intervenehq/intervene/rpc/gen/intervene/v1"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

const (
	streamBoards, streamConversations = 18, 12
	// streamCycles are the lives of the engine, of which soakStreams has as many as
	// fit in.
	streamCycles = 4
	soakStreams  = 3 * time.Minute
	// restTimeout bounds the way to rest: the last of what was owed, and of the
	// pauses before a follower comes back.
	restTimeout = 90 * time.Second
)

// TestStreams has followers look at a real engine under load, which is killed,
// drained and restored again and again. At rest they show what there is, and
// nobody ever sees what the journal does not hold.
func TestStreams(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	t.Logf("INTERVENE_SEED=%d", seed)
	d := rand.New(rand.NewPCG(seed, 's'))
	soak := os.Getenv("INTERVENE_SOAK") != ""
	network := standin.Config{Seed: seed}
	if soak {
		network = hostileNetwork(seed) // with it the way to rest takes its time
	}
	s := openSite(t, network, cast()...)
	s.start(t)
	v := &streams{site: s, dice: d, eyes: newCaller(t, s, supervisorName), gallery: newGallery(), file: filepath.Join(t.TempDir(), "backup")}
	v.gallery.generation.Store(1)
	load := startLoad(t, s, newLedger(), seed)
	load.resume()
	rest(t.Context(), time.Second)
	v.follow(t)
	v.answers(t)

	began := time.Now()
	for n := 0; !t.Failed() && (soak && time.Since(began) < soakStreams || n < streamCycles); n++ {
		longest := 300 * time.Millisecond
		if soak {
			longest = 5 * time.Second
		}
		rest(t.Context(), between(d, 50*time.Millisecond, longest))
		v.upheave(t, n)
		if soak && d.IntN(2) == 0 {
			rest(t.Context(), between(d, 0, longest)) // and once more, on the way back
			v.upheave(t, n)
		}
		load.pause()
		v.atRest(t)
		load.resume()
	}
	load.pause()
	v.applying.pause()
	s.stop(t)
	v.judge(t)
	s.verify(t)
	t.Logf("%v: %s", time.Since(began).Round(time.Second), v.told())
	if v.kills == 0 || v.drains == 0 || v.restores == 0 || v.judged == 0 {
		t.Errorf("got %s, want some of each", v.told())
	}
}

// streams is one run of TestStreams.
type streams struct {
	site    *site
	dice    *rand.Rand
	eyes    *caller
	gallery *gallery

	boards        []*boardFollower
	conversations []*conversationFollower
	applying      *load
	file          string // the newest backup
	backups       int

	kills, drains, restores, rests, judged int
}

func (v *streams) told() string {
	return fmt.Sprintf("%d kills, %d drains, %d backups, %d restores, %d times at rest, %d cards judged, %d answers applied",
		v.kills, v.drains, v.backups, v.restores, v.rests, v.judged, v.gallery.applied.Load())
}

// follow begins to follow boards of all kinds. Conversations follow at rest, when
// it is known which there are.
func (v *streams) follow(t *testing.T) {
	t.Helper()
	people := append([]string{supervisorName}, agentNames...)
	for n := range streamBoards {
		as := people[n%len(people)]
		q := client.BoardQuery{}
		switch n % 6 {
		case 1:
			q = client.BoardQuery{Filter: &intervenev1.Filter{Mine: true}, Columns: []intervenev1.Column{columnIntervened}}
		case 2:
			q = client.BoardQuery{Window: 1, IncludeMine: true, Presence: true}
		case 3:
			q = client.BoardQuery{Filter: &intervenev1.Filter{Tag: "tag-1"}, Window: 20, IncludeMine: true}
		case 4:
			q = client.BoardQuery{Filter: &intervenev1.Filter{Unassigned: true}, Columns: []intervenev1.Column{columnRequesting, columnActive}, Window: 7}
		case 5:
			q = client.BoardQuery{Window: 200}
		}
		v.boards = append(v.boards, newBoardFollower(t, v, as, q))
	}
}

// answers has somebody give commands and show what came of them on all boards,
// as frontends do.
func (v *streams) answers(t *testing.T) {
	t.Helper()
	o := &load{seed: v.dice.Uint64(), site: v.site, ledger: newLedger()}
	var ctx context.Context
	ctx, o.stop = context.WithCancel(t.Context())
	c := newGalleryCaller(t, v, supervisorName)
	d := rand.New(rand.NewPCG(o.seed, 'v'))
	o.group.Go(func() {
		act := func() {
			eyes := &clerk{caller: &caller{id: supervisorName, api: c.API()}, dice: d}
			id := someone(ctx, eyes, []intervenev1.Column{columnActive, columnRequesting, columnIntervened}[d.IntN(3)])
			if id == "" {
				return
			}
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			r, err := c.API().SetTags(ctx, &intervenev1.SetTagsRequest{
				ConversationId: id, CommandId: drawCommandID(d), Tags: []string{fmt.Sprintf("tag-%d", d.IntN(3))},
			})
			if err != nil {
				return // the engine is down, or somebody was faster
			}
			// An answer beyond a window stays for a minute: no rest is that long.
			for _, b := range v.boards {
				if b.query.Window == 0 || b.query.Window == listPage {
					b.apply(r.GetCard())
				}
			}
		}
		for o.turn(ctx, between(d, time.Millisecond, 30*time.Millisecond), act) {
		}
	})
	t.Cleanup(func() {
		o.stop()
		if o.paused {
			o.resume()
		}
		o.group.Wait()
	})
	v.applying = o
}

// upheave ends the engine in one way or another, and brings it back.
func (v *streams) upheave(t *testing.T, n int) {
	t.Helper()
	kind := v.dice.IntN(4)
	if n < 4 {
		kind = []int{0, 2, 3, 1}[n] // each of them once
	}
	switch kind {
	case 0, 1:
		v.backup(t)
		v.site.crash(t)
		v.kills++
	case 2:
		v.site.stop(t)
		v.drains++
	default:
		v.restore(t)
		return
	}
	v.site.start(t)
}

// backup has the running engine make one.
func (v *streams) backup(t *testing.T) {
	t.Helper()
	v.command(t, "backup", "--admin", v.site.process.log.adminAddress(t), "--force", "-o", v.file)
	v.backups++
}

// restore puts the journal of the newest backup in place of this one. Nobody is
// told anything of this one after that.
func (v *streams) restore(t *testing.T) {
	t.Helper()
	v.site.crash(t)
	v.judge(t)
	if err := os.RemoveAll(v.site.dataDir); err != nil {
		t.Fatalf("remove the journal: %v", err)
	}
	v.command(t, "restore", "--from", v.file, "--data", v.site.dataDir, "--no-erasures")
	generation := v.gallery.generation.Add(1)
	for _, b := range v.boards {
		b.expect(generation)
	}
	v.restores++
	v.site.start(t)
	v.command(t, "release", "--drop", "--admin", v.site.process.log.adminAddress(t))
}

func (v *streams) command(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if output, err := exec.CommandContext(ctx, v.site.binary, args...).CombinedOutput(); err != nil {
		t.Fatalf("intervene %s: %v\n%s\n%s", args[0], err, output, v.site.process.log.tail())
	}
}

// atRest compares until everything that is followed shows what there is, or it
// is plain that it never will.
func (v *streams) atRest(t *testing.T) {
	t.Helper()
	v.applying.pause()
	defer v.applying.resume()
	v.comesToRest(t)
}

func (v *streams) comesToRest(t *testing.T) {
	t.Helper()
	v.rests++
	v.followConversations(t)
	looking := v.followed()
	for deadline := time.Now().Add(restTimeout); ; rest(t.Context(), settlePause) {
		var err error
		if looking, err = v.compare(t.Context(), looking); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: still not what there is: %v\n%s", v.told(), err, v.site.process.log.tail())
		}
	}
}

// followConversations follows others in place of those that are not there any
// more, and of some that are.
func (v *streams) followConversations(t *testing.T) {
	t.Helper()
	kept := v.conversations[:0]
	for _, c := range v.conversations {
		if c.conversation.Err() != nil || v.dice.IntN(6) == 0 {
			if problem := c.ended(t.Context(), v.eyes); problem != nil {
				t.Errorf("a conversation ended: %v", problem)
			}
			c.conversation.Close()
			continue
		}
		kept = append(kept, c)
	}
	v.conversations = kept
	m := newMirror()
	cards, _, err := m.list(t.Context(), v.eyes)
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	for id := range cards { // in no order
		if len(v.conversations) >= streamConversations {
			return
		}
		v.conversations = append(v.conversations, newConversationFollower(t, v, id))
	}
}

// comparison holds what one follower shows against what there is.
type comparison func(context.Context) error

func (v *streams) followed() []comparison {
	var all []comparison
	for _, b := range v.boards {
		all = append(all, b.compare)
	}
	for _, c := range v.conversations {
		all = append(all, func(ctx context.Context) error {
			if c.conversation.Err() != nil {
				return c.ended(ctx, v.eyes) // a restore took it away
			}
			return c.compare(ctx, v.eyes)
		})
	}
	return all
}

// compare answers those that do not show it yet: nothing changes at rest.
func (v *streams) compare(ctx context.Context, looking []comparison) (left []comparison, err error) {
	var problems []error
	for _, c := range looking {
		if problem := c(ctx); problem != nil {
			left, problems = append(left, c), append(problems, problem)
		}
	}
	return left, errors.Join(problems...)
}
