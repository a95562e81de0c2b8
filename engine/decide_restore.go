package engine

// GiveUpSends ends what waited to be sent when the conversation was restored from
// a backup: the sends up to the version Through. Nobody knows whether they were
// sent after the backup was made, so they are [Unknown], for good.
type GiveUpSends struct{ Through uint64 }

func (GiveUpSends) isCommand() {}

func (d *decision) giveUpSends(b GiveUpSends) error {
	for _, s := range d.c.Sends {
		if s.Version > b.Through {
			break // they stand in the order in which they were queued
		}
		unknown := DeliveryChanged{Send: s.Version, State: Unknown, Attempt: s.Attempt}
		if s.State != Unknown && s.Repeatable {
			d.emit(unknown) // now it waits to be repeated
		}
		d.emit(unknown)
	}
	return nil
}
