package rpc

import (
	"mime"

	"github.com/intervenehq/intervene/engine"
)

const mebibyte = 1 << 20

// mediaType is as what WhatsApp takes a type of file, and how much of it.
type mediaType struct {
	kind     engine.ContentKind
	maxBytes int64
}

// mediaTypes are all that WhatsApp takes
// (developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types).
var mediaTypes = map[string]mediaType{
	"image/jpeg": {engine.ContentImage, 5 * mebibyte},
	"image/png":  {engine.ContentImage, 5 * mebibyte},

	"video/mp4":  {engine.ContentVideo, 16 * mebibyte},
	"video/3gpp": {engine.ContentVideo, 16 * mebibyte},

	"audio/aac":  {engine.ContentAudio, 16 * mebibyte},
	"audio/amr":  {engine.ContentAudio, 16 * mebibyte},
	"audio/mpeg": {engine.ContentAudio, 16 * mebibyte},
	"audio/mp4":  {engine.ContentAudio, 16 * mebibyte},
	"audio/ogg":  {engine.ContentAudio, 16 * mebibyte},

	// Of a moving sticker; the smaller limit of the others nobody can tell here.
	"image/webp": {engine.ContentSticker, 500 << 10},

	"text/plain":                    {engine.ContentDocument, 100 * mebibyte},
	"application/pdf":               {engine.ContentDocument, 100 * mebibyte},
	"application/msword":            {engine.ContentDocument, 100 * mebibyte},
	"application/vnd.ms-excel":      {engine.ContentDocument, 100 * mebibyte},
	"application/vnd.ms-powerpoint": {engine.ContentDocument, 100 * mebibyte},
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   {engine.ContentDocument, 100 * mebibyte},
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         {engine.ContentDocument, 100 * mebibyte},
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": {engine.ContentDocument, 100 * mebibyte},
}

// mediaTypeOf finds what a Content-Type says, whatever its parameters.
func mediaTypeOf(contentType string) (mediaType, bool) {
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return mediaType{}, false
	}
	t, ok := mediaTypes[name]
	return t, ok
}
