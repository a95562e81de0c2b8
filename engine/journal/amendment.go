package journal

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/intervenehq/intervene/engine"
)

// maxPageAmendments is how many amended messages of a conversation are read at
// once for a page of messages. Where there are more, each message is looked up.
const maxPageAmendments = 256

// targetDigest names, within a conversation, the message that the platform
// calls external.
func targetDigest(external string) digest { return digestOf(spaceAmendment, external) }

// readAmendments are what the customer made of one message.
func readAmendments(r pebble.Reader, id engine.ConversationID, target digest) (a engine.Amendments, err error) {
	_, err = get(r, hashKey(nil, spaceAmendment, id, target), func(value []byte) (err error) {
		a, err = decodeAmendments(value)
		return err
	})
	return a, err
}

// amendedPage is what the customer made of the messages of one conversation.
type amendedPage struct {
	known map[digest]engine.Amendments
	// whole: there are no others.
	whole bool
}

// readAmended reads a conversation's amendments in one go: most have none.
func readAmended(r pebble.Reader, id engine.ConversationID) (amendedPage, error) {
	page := amendedPage{whole: true}
	prefix := conversationRange(nil, spaceAmendment, id)
	err := scan(r, prefix, afterAll(prefix), func(key, value []byte) (bool, error) {
		if len(key) != len(prefix)+len(digest{}) {
			return false, corrupt("amendment: the key has another size")
		}
		if len(page.known) == maxPageAmendments {
			page.whole = false
			return false, nil
		}
		a, err := decodeAmendments(value)
		if page.known == nil {
			page.known = make(map[digest]engine.Amendments)
		}
		page.known[digest(key[len(prefix):])] = a
		return true, err
	})
	return page, err
}

// of is what the customer made of the message that the platform calls external.
func (p *amendedPage) of(r pebble.Reader, id engine.ConversationID, external string) (engine.Amendments, error) {
	if external == "" || p.whole && len(p.known) == 0 {
		return engine.Amendments{}, nil
	}
	target := targetDigest(external)
	if a, ok := p.known[target]; ok || p.whole {
		return a, nil
	}
	return readAmendments(r, id, target)
}
