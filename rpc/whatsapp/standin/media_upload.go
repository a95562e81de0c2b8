package standin

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxUploadBytes   = documentLimit + 1<<20 // with what stands around the file
	maxFormFieldSize = 1 << 10
)

// upload is the form of POST /{version}/{phone_number_id}/media.
type upload struct {
	product  string
	kind     string // the type that the form names, if any
	file     bool
	mimeType string
	filename string
	data     []byte
}

// serveUpload takes media: Meta's page "Media", under "Upload media".
func (g *Graph) serveUpload(w http.ResponseWriter, r *http.Request) {
	n, refusal := g.authorizeNumber(r)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	ordinal := itoa(int(g.counters.uploads.Add(1)))
	if g.struck(w, r, g.faults.planCall(CallUpload, n.ID, ordinal)) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxUploadBytes)
	form, refusal := readUpload(r)
	if refusal == nil {
		refusal = form.check()
	}
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	now := time.Now()
	file, err := g.media.put(MediaFile{
		PhoneNumberID: n.ID, MIMEType: form.mimeType, Filename: form.filename,
		At: now, ExpiresAt: now.Add(uploadedMediaTime),
	}, form.data)
	if err != nil {
		g.writeError(w, codeError(codeRateLimit, "The stand-in's media limit is reached"))
		return
	}
	g.writeAnswer(w, http.StatusOK, map[string]MediaID{"id": file.ID})
}

func readUpload(r *http.Request) (upload, *graphError) {
	var form upload
	reader, err := r.MultipartReader()
	if err != nil {
		return form, invalidParameter("The parameter messaging_product is required.")
	}
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return form, nil
		}
		if err == nil {
			err = form.read(part)
		}
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return form, bodyTooLarge()
		}
		if err != nil {
			return form, codeError(codeInvalidParameter, "The form ends in the middle")
		}
	}
}

func (u *upload) read(part *multipart.Part) error {
	limit := int64(maxFormFieldSize)
	if part.FormName() == "file" {
		limit = maxUploadBytes
	}
	data, err := io.ReadAll(io.LimitReader(part, limit))
	if err != nil {
		return err
	}
	switch part.FormName() {
	case "messaging_product":
		u.product = string(data)
	case "type":
		u.kind = string(data)
	case "file":
		u.file, u.data = true, data
		u.filename = part.FileName()
		u.mimeType = strings.ToLower(part.Header.Get("Content-Type"))
	}
	return nil
}

func (u *upload) check() *graphError {
	switch {
	case u.product == "":
		return invalidParameter("The parameter messaging_product is required.")
	case u.product != messagingProduct:
		return invalidParameter("Param messaging_product must be one of {WHATSAPP}")
	case !u.file:
		return invalidParameter("The parameter file is required.")
	}
	if u.mimeType == "" {
		u.mimeType = "application/octet-stream"
	}
	// Clients have seen the bare type insisted on: no "; codecs=opus".
	for _, given := range []string{u.mimeType, u.kind} {
		if _, ok := mediaTypes[given]; !ok && given != "" {
			return invalidParameter("Param file must be a file with one of the following types: " +
				strings.Join(uploadTypes(), ", ") + ". Received file of type '" + given + "'.")
		}
	}
	if len(u.data) == 0 {
		return invalidParameter("Param file must not be empty.")
	}
	if limit := mediaLimit(u.mimeType, u.data); len(u.data) > limit {
		return codeError(codeInvalidParameter, "File size too large: "+itoa(len(u.data))+
			" bytes, at most "+itoa(limit)+" for "+u.mimeType)
	}
	return nil
}

func uploadTypes() []string {
	types := make([]string, 0, len(mediaTypes))
	for name := range mediaTypes {
		types = append(types, name)
	}
	slices.Sort(types)
	return types
}
