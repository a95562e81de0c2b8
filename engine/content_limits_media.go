package engine

import "strings"

// mediaMessage holds a message that is one file, with or without a caption.
func (l *limits) mediaMessage(name string, c Content) {
	l.media(name, c.Kind, c.Media)
	if c.Kind == ContentAudio || c.Kind == ContentSticker {
		l.that(c.Text == "", name+".caption", "must be empty: it carries none")
		return
	}
	l.text(name+".caption", c.Text, 0, MaxCaptionRunes)
}

// media holds a file to be sent: uploaded here, or fetched by the platform.
func (l *limits) media(name string, kind ContentKind, m *Media) {
	if m == nil {
		l.that(false, name, "must not be empty")
		return
	}
	l.that((m.Blob == "") != (m.Link == ""), name, "must have either a blob_id or a link")
	if m.Blob != "" {
		l.that(m.Blob.valid(), name+".blob_id", "must be one that an upload answered")
	}
	if m.Link != "" {
		l.url(name+".link", m.Link)
	}
	if kind == ContentDocument {
		l.text(name+".filename", m.Filename, 0, MaxFilenameRunes)
		return
	}
	l.that(m.Filename == "", name+".filename", "must be empty: only documents carry one")
}

// url holds a URL that the platform fetches, or a customer opens.
func (l *limits) url(field, value string) {
	l.text(field, value, 1, MaxURLRunes)
	l.that(isWebURL(value), field, "must be an http or https URL")
}

// isWebURL knows no more of a URL than that it names a host, and would pass
// through a line of text unbroken.
func isWebURL(s string) bool {
	scheme, rest, _ := strings.Cut(s, "://")
	if !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return false
	}
	if strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == '\x7f' || r == '"' || r == '<' || r == '>' }) >= 0 {
		return false
	}
	host := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host = rest[:end]
	}
	return strings.Trim(host, ":@.") != ""
}

func (l *limits) location(name string, at *Location) {
	if at == nil {
		l.that(false, name, "must not be empty")
		return
	}
	// Written so that what is not a number is refused too.
	l.that(at.Latitude >= -90 && at.Latitude <= 90, name+".latitude", "must be from -90 to 90")
	l.that(at.Longitude >= -180 && at.Longitude <= 180, name+".longitude", "must be from -180 to 180")
	l.text(name+".name", at.Name, 0, MaxLocationRunes)
	l.text(name+".address", at.Address, 0, MaxLocationRunes)
}
