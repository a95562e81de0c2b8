package journal_test

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/intervenehq/intervene/engine"
	"github.com/intervenehq/intervene/engine/journal"
)

// What was decided becomes durable, and is there when the journal is opened
// again.
func Example() {
	if err := example(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// offset 1: version 3 in active
	// Asha wrote "hello"
}

func example() error {
	fs := vfs.NewMem() // in place of a disk
	j, err := journal.Open("/data", journal.Options{FS: fs, Create: true})
	if err != nil {
		return err
	}
	now := engine.Instant(1_760_000_000_000)
	c := engine.Conversation{ID: engine.NewConversationID(0, [14]byte{1})}
	events, err := engine.Decide(&c, engine.Command{Workspace: "acme", By: engine.Party{Kind: engine.Customer}, Body: engine.Receive{
		Channel: "acme-main", Contact: engine.Contact{Name: "Asha", WaID: "15550100"}, External: "wamid.1", SentAt: now,
		Content: engine.Content{Kind: engine.ContentText, Text: "hello"},
	}}, engine.Policy{}, now)
	if err != nil {
		return err
	}
	after := c.Clone()
	for i := range events {
		after.Apply(&events[i])
	}
	change, err := j.Append(engine.Append{Conversation: c.ID, Expected: c.Version, Events: events, Before: c.Index(), After: &after})
	if err != nil {
		return err
	}
	fmt.Printf("offset %d: version %d in %s\n", change.Offset, change.Version, change.After.Column)
	if err := j.Close(); err != nil {
		return err
	}

	if j, err = journal.Open("/data", journal.Options{FS: fs}); err != nil {
		return err
	}
	card, err := j.Card(c.ID)
	if err != nil {
		return err
	}
	fmt.Printf("%s wrote %q\n", card.Contact.Name, card.Preview)
	return j.Close()
}
