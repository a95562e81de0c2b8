package rpc

import (
	"mime"

	"github.com/intervenehq/intervene/engine"
)

// mediaTypes are all that WhatsApp takes, and as what content
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types).
var mediaTypes = map[string]engine.ContentKind{
	"image/jpeg": engine.ContentImage,
	"image/png":  engine.ContentImage,

	"video/mp4":  engine.ContentVideo,
	"video/3gpp": engine.ContentVideo,

	"audio/aac":  engine.ContentAudio,
	"audio/amr":  engine.ContentAudio,
	"audio/mpeg": engine.ContentAudio,
	"audio/mp4":  engine.ContentAudio,
	"audio/ogg":  engine.ContentAudio,

	"image/webp": engine.ContentSticker,

	"text/plain":                    engine.ContentDocument,
	"application/pdf":               engine.ContentDocument,
	"application/msword":            engine.ContentDocument,
	"application/vnd.ms-excel":      engine.ContentDocument,
	"application/vnd.ms-powerpoint": engine.ContentDocument,
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   engine.ContentDocument,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         engine.ContentDocument,
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": engine.ContentDocument,
}

// mediaTypeOf finds what a Content-Type says, whatever its parameters, and writes
// it anew: between its parts there may be line ends, which must reach no header.
func mediaTypeOf(contentType string) (written string, kind engine.ContentKind, ok bool) {
	name, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", 0, false
	}
	kind, ok = mediaTypes[name]
	written = mime.FormatMediaType(name, parameters)
	return written, kind, ok && written != ""
}
