package actors

import (
	"fmt"
	"slices"

	"github.com/intervenehq/intervene/engine"
)

// place is where an item goes.
type place struct {
	id      engine.ConversationID
	opening *opening // nil for a conversation that is durable
	// linked is another conversation that one of the contact's identities
	// belongs to; zero: there is none.
	linked engine.ConversationID
}

type openingKey struct {
	channel  engine.ChannelID
	identity engine.Identity
}

// opening is one conversation that nobody has made durable yet.
type opening struct {
	id       engine.ConversationID
	messages int // on their way
	keys     []openingKey
}

// resolve finds the conversation of contact, or begins one. The caller leaves
// the opening when its message is durable or refused.
func (i *Inbox) resolve(channel engine.ChannelID, contact engine.Contact) (place, error) {
	identities := contact.Identities()
	variants := variantsOf(contact)
	if p, ok, err := i.known(channel, identities, variants); ok || err != nil {
		return p, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, identity := range slices.Concat(identities, variants) {
		if o, ok := i.opening[openingKey{channel, identity}]; ok {
			return i.join(channel, identities, o), nil
		}
	}
	// It may have become durable, and left the map, between the two looks.
	if p, ok, err := i.known(channel, identities, variants); ok || err != nil {
		return p, err
	}
	return i.join(channel, identities, &opening{id: NewConversationID(i.shard)}), nil
}

// variantsOf are the other ways in which the contact's number may be known.
func variantsOf(contact engine.Contact) []engine.Identity {
	var variants []engine.Identity
	for _, waID := range engine.Variants(contact.WaID) {
		variants = append(variants, engine.Identity{Kind: engine.IdentityWaID, Value: waID})
	}
	return variants
}

// known finds the conversation of the steadiest identity that is known, and
// whether another identity belongs to another conversation. Variants are looked
// up only when nothing is known as it came.
func (i *Inbox) known(channel engine.ChannelID, identities, variants []engine.Identity) (place, bool, error) {
	var p place
	for _, identity := range identities {
		id, ok, err := i.directory.ByIdentity(channel, identity)
		switch {
		case err != nil:
			return place{}, false, fmt.Errorf("look up identity: %w", err)
		case ok && p.id.IsZero():
			p.id = id
		case ok && id != p.id:
			p.linked = id
		}
	}
	if !p.id.IsZero() {
		return p, true, nil
	}
	for _, variant := range variants {
		id, ok, err := i.directory.ByIdentity(channel, variant)
		if err != nil {
			return place{}, false, fmt.Errorf("look up identity: %w", err)
		}
		if ok {
			return place{id: id}, true, nil
		}
	}
	return place{}, false, nil
}

// join is called with mu held.
func (i *Inbox) join(channel engine.ChannelID, identities []engine.Identity, o *opening) place {
	o.messages++
	for _, identity := range identities {
		key := openingKey{channel, identity}
		if _, taken := i.opening[key]; !taken {
			i.opening[key] = o
			o.keys = append(o.keys, key)
		}
	}
	return place{id: o.id, opening: o}
}

func (i *Inbox) leave(o *opening) {
	if o == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	o.messages--
	if o.messages > 0 {
		return
	}
	for _, key := range o.keys {
		delete(i.opening, key)
	}
}
