package standin

// appendEnvelope writes the body of one POST. Which items share a change or an
// entry is drawn with each item, so that over a run every shape turns up:
// several messages in one change, several changes in one entry, several
// entries, messages beside statuses.
func appendEnvelope(dst []byte, items []*item) []byte {
	dst = append(dst, `{"object":"whatsapp_business_account","entry":[`...)
	for i := 0; i < len(items); {
		if i > 0 {
			dst = append(dst, ',')
		}
		end := entryEnd(items, i)
		dst = appendEntry(dst, items[i:end])
		i = end
	}
	return append(dst, `]}`...)
}

// How an item joins the one before it, by its lot.
const (
	joinShapes = 4 // of which
	newEntry   = 0 // one in four starts an entry of its own
	newChange  = 1 // one in four starts a change in the entry, and half stay
)

func entryEnd(items []*item, start int) int {
	end := start + 1
	for end < len(items) && items[end].lot%joinShapes != newEntry &&
		items[end].number.Business == items[start].number.Business {
		end++
	}
	return end
}

func changeEnd(items []*item, start int) int {
	end := start + 1
	for end < len(items) && items[start].kind != ItemChange && items[end].kind != ItemChange &&
		items[end].lot%joinShapes != newChange && items[end].number == items[start].number {
		end++
	}
	return end
}

func appendEntry(dst []byte, items []*item) []byte {
	dst = append(dst, '{')
	dst = appendField(dst, "id", items[0].number.Business.String())
	dst = append(dst, `,"changes":[`...)
	for i := 0; i < len(items); {
		if i > 0 {
			dst = append(dst, ',')
		}
		end := changeEnd(items, i)
		dst = appendChange(dst, items[i:end])
		i = end
	}
	return append(dst, `]}`...)
}

func appendChange(dst []byte, items []*item) []byte {
	dst = append(dst, `{"value":`...)
	field := "messages"
	if items[0].kind == ItemChange {
		field = items[0].field
		dst = append(dst, items[0].object...)
	} else {
		dst = appendValue(dst, items)
	}
	dst = append(dst, ',')
	dst = appendField(dst, "field", field)
	return append(dst, '}')
}

func appendValue(dst []byte, items []*item) []byte {
	n := items[0].number
	dst = append(dst, `{"messaging_product":"whatsapp","metadata":{`...)
	dst = appendField(dst, "display_phone_number", n.DisplayPhoneNumber)
	dst = append(dst, ',')
	dst = appendField(dst, "phone_number_id", n.ID.String())
	dst = append(dst, '}')
	dst = appendArray(dst, "contacts", items, ItemMessage, func(it *item) []byte { return it.contact })
	dst = appendArray(dst, "messages", items, ItemMessage, func(it *item) []byte { return it.object })
	dst = appendArray(dst, "statuses", items, ItemStatus, func(it *item) []byte { return it.object })
	return append(dst, '}')
}

// appendArray writes a member, unless no item is of its kind.
func appendArray(dst []byte, name string, items []*item, kind ItemKind, part func(*item) []byte) []byte {
	open := false
	for _, it := range items {
		if it.kind != kind || part(it) == nil {
			continue
		}
		if !open {
			dst = append(append(append(dst, `,"`...), name...), `":[`...)
			open = true
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, part(it)...)
	}
	if open {
		dst = append(dst, ']')
	}
	return dst
}
