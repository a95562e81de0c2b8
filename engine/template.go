package engine

// TemplateInfo is what a platform tells of one template of a channel's account.
type TemplateInfo struct {
	Name     string
	Language string
	Category TemplateCategory
	// Status is as Meta writes it: only what is APPROVED can be sent.
	Status string
	// ParameterFormat is as Meta writes it: POSITIONAL, or NAMED, whose parameters
	// carry names.
	ParameterFormat string
	Parts           []TemplatePart
}

// TemplatePart is one part of a template as the customer will see it, with
// placeholders where parameters go. Type is as Meta writes it: HEADER, BODY,
// FOOTER, BUTTONS; Format tells a header's: TEXT, IMAGE, VIDEO, DOCUMENT, LOCATION.
type TemplatePart struct {
	Type    string
	Format  string
	Text    string
	Buttons []TemplateButton
}

// TemplateButton is one button of a template, in the order that
// TemplateComponent.Index counts.
type TemplateButton struct{ Type, Text, URL string }

// DeadLetter is one message that was rejected or failed, and was not sent again.
// At is when that became known.
type DeadLetter struct {
	At      Instant
	Message MessageID
}
