package sim

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/rpc/whatsapp/standin"
)

// isErased reports whether events are all that an erasure leaves.
func isErased(events []engine.Event) bool {
	if len(events) != 1 {
		return false
	}
	_, erased := events[0].Body.(engine.Erased)
	return erased
}

func newestOf(events []engine.Event) uint64 {
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].Version
}

// forgotten reports whether a message that is not there was in a conversation
// that was erased after it came. The ledger is held.
func (s *sim) forgotten(w *written, offer *standin.Offer) bool {
	if w == nil {
		return false
	}
	for _, id := range s.ledger.order {
		story := s.ledger.stories[id]
		if story.erased == nil || engine.InstantOf(offer.FirstOfferedAt) > story.erased.At {
			continue
		}
		for _, identity := range story.identities() {
			if slices.Contains(w.customer.ever, identity) {
				return true
			}
		}
	}
	return false
}

// identities are those that were seen of it.
func (t *story) identities() []engine.Identity {
	var ids []engine.Identity
	for _, card := range t.cards {
		ids = append(ids, card.Contact.Identities()...)
	}
	for _, e := range t.events {
		switch b := e.Body.(type) {
		case engine.Opened:
			ids = append(ids, b.Contact.Identities()...)
		case engine.ContactChanged:
			ids = append(ids, b.Contact.Identities()...)
		}
	}
	return ids
}

// erasures: what was erased stays so, and nothing of it comes back. The ledger is held.
func (s *sim) erasures(all map[engine.ConversationID][]engine.Event) {
	l := s.ledger
	for _, o := range l.opOrder {
		if _, ok := o.body.(engine.Erase); ok && o.receipt != nil && !isErased(all[o.conversation]) {
			l.violateLocked("erasure: %s was erased and is there", o.conversation)
		}
	}
	gone := make(map[string]bool)
	for _, id := range l.order {
		story := l.stories[id]
		if story.erased == nil {
			continue
		}
		if !isErased(all[id]) {
			l.violateLocked("erasure: %s was erased and is there", id)
		}
		for _, e := range story.events {
			if b, ok := e.Body.(engine.MessageReceived); ok {
				gone[b.External] = true
			}
		}
	}
	for id, events := range all {
		for i := range events {
			if b, ok := events[i].Body.(engine.MessageReceived); ok && gone[b.External] {
				l.violateLocked("erasure: message %s was erased and stands in %s", b.External, id)
			}
		}
	}
}

// edge compares what readers are shown of messages, and the files, with the events.
func (s *sim) edge(w *world, chronicles map[engine.ConversationID]*chronicle) {
	for id, c := range chronicles {
		messages, err := w.journal.Messages(id, 0, 10_000)
		if err != nil {
			s.ledger.violateLocked("the journal cannot be read: %v", err)
			return
		}
		for i := range messages {
			c.shows(&messages[i])
		}
		for version, p := range c.files {
			c.holds(w, version, p)
		}
		for _, version := range c.order {
			c.keeps(w, c.sends[version])
		}
		c.wants()
	}
	s.folders(w, chronicles)
}

// holds: a file that is stored can be read, as it was sent.
func (c *chronicle) holds(w *world, version uint64, p *picture) {
	if p.status.State == engine.MediaPending {
		c.wrong("media", "the file of message %d is pending, long after all faults ended", version)
	}
	if p.status.State != engine.MediaStored {
		return
	}
	file, _, err := w.files.Open(c.id, p.status.Blob)
	if err != nil {
		c.wrong("media", "the stored file of message %d cannot be opened: %v", version, err)
		return
	}
	content, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil || sumOf(content) != p.file {
		c.wrong("media", "the stored file of message %d is another one (error %v)", version, err)
	}
}

// wants: in the end counts what the customer chose last, if it is sure that all
// of it came to this conversation.
func (c *chronicle) wants() {
	var last engine.Instant
	var wants []engine.Consent
	for _, said := range c.ledger.choices {
		if said.customer.number.channel != c.channel || !slices.Contains(c.ever, said.customer.first.Identities()[0]) &&
			!slices.Contains(c.ever, engine.Identity{Kind: engine.IdentityWaID, Value: said.customer.first.WaID}) {
			continue
		}
		if said.customer.habit == byEither || len(said.customer.ever) > 2 {
			return
		}
		switch {
		case said.at > last:
			last, wants = said.at, []engine.Consent{said.consent}
		case said.at == last:
			wants = append(wants, said.consent)
		}
	}
	if n := len(c.ledger.restores); n > 0 && last <= c.ledger.restores[n-1].at {
		return // it may have been taken by the journal that was lost
	}
	consent := engine.Resume
	if c.optedOut {
		consent = engine.Stop
	}
	if len(wants) > 0 && !c.afterErasure(last) && c.hasWritten() && (c.chosenAt != last || !slices.Contains(wants, consent)) {
		c.wrong("opted out", "the customer chose %s at %d, it holds %s of %d", wants, last, consent, c.chosenAt)
	}
}

// hasWritten: a conversation with one who writes under another identity only was
// begun by an agent, and hears nothing.
func (c *chronicle) hasWritten() bool { return c.customerAt != 0 }

// afterErasure: what was chosen at may have gone with another conversation.
func (c *chronicle) afterErasure(at engine.Instant) bool {
	for _, story := range c.ledger.stories {
		if story.erased != nil && at <= story.erased.At.Add(engine.Window) {
			for _, identity := range story.identities() {
				if slices.Contains(c.ever, identity) {
					return true
				}
			}
		}
	}
	return false
}

// folders: there are files of no conversation but those that are there, and of
// what was erased nothing is left on the disk.
func (s *sim) folders(w *world, chronicles map[engine.ConversationID]*chronicle) {
	l := s.ledger
	names, err := w.disk.mem.List(mediaDir)
	if err != nil {
		l.violateLocked("media: the folder cannot be read: %v", err)
		return
	}
	for _, name := range names {
		id, err := engine.ParseConversationID(name)
		if name != "incoming" && (err != nil || chronicles[id] == nil) {
			l.violateLocked("erasure: there are files of %s, which is not there", name)
		}
	}
	var texts [][]byte
	for _, story := range l.stories {
		if story.erased == nil {
			continue
		}
		for _, e := range story.events {
			if b, ok := e.Body.(engine.MessageReceived); ok && len(b.Content.Text) > 8 {
				texts = append(texts, []byte(b.Content.Text))
			}
		}
	}
	if len(texts) == 0 {
		return
	}
	if err := eachFile(w.disk.mem, dataDir, func(path string, content []byte) {
		for _, text := range texts {
			if bytes.Contains(content, text) {
				l.violateLocked("erasure: %s holds what was erased", path)
				return
			}
		}
	}); err != nil {
		l.violateLocked("erasure: the disk cannot be read: %v", err)
	}
}

func eachFile(fs vfs.FS, dir string, look func(path string, content []byte)) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist): // Pebble has just removed it
			continue
		case err != nil:
			return err
		case info.IsDir():
			if err := eachFile(fs, path, look); err != nil {
				return err
			}
			continue
		}
		file, err := fs.Open(path)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(file)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		look(path, content)
	}
	return nil
}
