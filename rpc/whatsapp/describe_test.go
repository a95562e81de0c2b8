package whatsapp

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

// describe writes a delivery in lines that a person can compare.
func describe(d delivery) string {
	var out strings.Builder
	for i := range d.items {
		describeItem(&out, &d.items[i])
	}
	var counts []string
	for kind, n := range d.events {
		counts = append(counts, fmt.Sprintf("event %s: %d", kind, n))
	}
	for what, n := range d.oddities {
		counts = append(counts, fmt.Sprintf("odd %s %s: %d", what.kind, what.reason, n))
	}
	for field, n := range d.fields {
		counts = append(counts, fmt.Sprintf("field %s: %d", field, n))
	}
	for code, n := range d.codes {
		counts = append(counts, fmt.Sprintf("reported %d: %d", code, n))
	}
	slices.Sort(counts)
	for _, line := range counts {
		out.WriteString(line + "\n")
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

func describeItem(out *strings.Builder, item *engine.Inbound) {
	fmt.Fprintf(out, "%s/%s ", item.Workspace, item.Channel)
	switch {
	case item.Message != nil:
		m := item.Message
		fmt.Fprintf(out, "message %s at %d from %s%s%s", m.External, m.SentAt, describeContact(m.Contact),
			given(" reply_to=%s", m.ReplyTo), given(" consent=%s", m.Consent))
		describeContext(out, m.Context)
		describeContent(out, m.Content)
	case item.Amend != nil:
		a := item.Amend
		by := ""
		if a.Outside {
			by = " by the business"
		}
		fmt.Fprintf(out, "%s %s%s at %d from %s of %s", a.What, a.External, by, a.SentAt, describeContact(a.Contact), a.Target)
		describeContent(out, a.Content)
	case item.Echo != nil:
		e := item.Echo
		fmt.Fprintf(out, "echo %s at %d to %s%s", e.External, e.SentAt, describeContact(e.Contact), given(" reply_to=%s", e.ReplyTo))
		describeContent(out, e.Content)
	case item.Change != nil:
		c := item.Change
		fmt.Fprintf(out, "change %s at %d of %s\n  now %s\n", c.External, c.SentAt, describeContact(c.Contact), describeContact(c.Changed))
	case item.Consent != nil:
		c := item.Consent
		fmt.Fprintf(out, "consent %s at %d of %s\n", c.Consent, c.At, describeContact(c.Contact))
	case item.Status != nil:
		s := item.Status
		fmt.Fprintf(out, "status %s %s at %d%s%s%s\n", s.External, s.State, s.At,
			given(" op=%s", s.Op), given(" error=%d", s.Error), given(" %q", s.Detail))
	}
}

// given is value, unless it says nothing.
func given[T comparable](format string, value T) string {
	var nothing T
	if value == nothing {
		return ""
	}
	return fmt.Sprintf(format, value)
}

func describeContact(c engine.Contact) string {
	return fmt.Sprintf("name=%q wa_id=%q user_id=%q", c.Name, c.WaID, c.UserID) + given(" parent=%q", c.ParentUserID)
}

func describeContext(out *strings.Builder, c *engine.Context) {
	if c == nil {
		return
	}
	fmt.Fprintf(out, "%s%s", given(" forwarded=%v", c.Forwarded), given(" often=%v", c.ForwardedOften))
	if c.Product != nil {
		fmt.Fprintf(out, "\n  product %+v", *c.Product)
	}
	if c.Referral != nil {
		fmt.Fprintf(out, "\n  referral %+v", *c.Referral)
	}
}

func describeContent(out *strings.Builder, c engine.Content) {
	if c.Kind == 0 {
		out.WriteByte('\n')
		return
	}
	fmt.Fprintf(out, "\n  %s %q%s%s\n", c.Kind, c.Text, given(" payload=%q", c.Payload), given(" error=%d", c.Error))
	if c.Raw != "" {
		fmt.Fprintf(out, "  raw %s\n", c.Raw)
	}
	if m := c.Media; m != nil {
		fmt.Fprintf(out, "  file id=%q mime=%q sha256=%s%s%s%s\n", m.ID, m.MIME, hex.EncodeToString([]byte(m.SHA256)),
			given(" filename=%q", m.Filename), given(" voice=%v", m.Voice), given(" animated=%v", m.Animated))
	}
	if c.Location != nil {
		fmt.Fprintf(out, "  place %+v\n", *c.Location)
	}
	for _, card := range c.Contacts {
		fmt.Fprintf(out, "  card %+v\n", card)
	}
	if c.Order != nil {
		fmt.Fprintf(out, "  order of catalog %s\n", c.Order.Catalog)
		for _, item := range c.Order.Items {
			fmt.Fprintf(out, "    %+v\n", item)
		}
	}
}
