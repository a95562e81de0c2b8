package whatsapp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/intervenehq/intervene/engine"
)

func (r *reader) image(raw json.RawMessage) (engine.Content, bool) {
	return r.media(engine.ContentImage, raw)
}

func (r *reader) video(raw json.RawMessage) (engine.Content, bool) {
	return r.media(engine.ContentVideo, raw)
}

func (r *reader) audio(raw json.RawMessage) (engine.Content, bool) {
	return r.media(engine.ContentAudio, raw)
}

// voice is an audio as old versions of the API called it.
func (r *reader) voice(raw json.RawMessage) (engine.Content, bool) {
	content, ok := r.media(engine.ContentAudio, raw)
	if ok {
		content.Media.Voice = true
	}
	return content, ok
}

func (r *reader) document(raw json.RawMessage) (engine.Content, bool) {
	return r.media(engine.ContentDocument, raw)
}

func (r *reader) sticker(raw json.RawMessage) (engine.Content, bool) {
	return r.media(engine.ContentSticker, raw)
}

// media is a file. Its id becomes part of a URL when it is fetched, so that only
// one that may stand there as it is makes it a file. The url that Meta sends
// along is not kept: it lives for five minutes, and the id gives another.
func (r *reader) media(kind engine.ContentKind, raw json.RawMessage) (engine.Content, bool) {
	var media struct {
		ID       lenientString `json:"id"`
		MIMEType lenientString `json:"mime_type"`
		SHA256   lenientString `json:"sha256"`
		Caption  lenientString `json:"caption"`
		Filename lenientString `json:"filename"`
		Voice    lenientBool   `json:"voice"`
		Animated lenientBool   `json:"animated"`
	}
	if !object(raw, &media) || !pathSafe.MatchString(string(media.ID)) {
		return engine.Content{}, false
	}
	return engine.Content{
		Kind: kind, Text: r.clip(media.Caption, MaxTextBytes),
		Media: &engine.Media{
			ID: string(media.ID), MIME: r.clip(media.MIMEType, MaxNameBytes), SHA256: digest(media.SHA256),
			Filename: r.clip(media.Filename, MaxNameBytes), Voice: bool(media.Voice), Animated: bool(media.Animated),
		},
	}, true
}

// digest is a SHA-256, or empty if it is none: then the file is taken unchecked.
func digest(text lenientString) string {
	sum, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(string(text), "="))
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return string(sum)
}

func (r *reader) location(raw json.RawMessage) (engine.Content, bool) {
	var place struct {
		Latitude  lenientString `json:"latitude"`
		Longitude lenientString `json:"longitude"`
		Name      lenientString `json:"name"`
		Address   lenientString `json:"address"`
		URL       lenientString `json:"url"`
	}
	if !object(raw, &place) {
		return engine.Content{}, false
	}
	latitude, north := degrees(place.Latitude, 90)
	longitude, east := degrees(place.Longitude, 180)
	if !north || !east {
		return engine.Content{}, false
	}
	return engine.Content{Kind: engine.ContentLocation, Location: &engine.Location{
		Latitude: latitude, Longitude: longitude,
		Name: r.clip(place.Name, MaxNameBytes), Address: r.clip(place.Address, MaxNameBytes), URL: r.clip(place.URL, MaxURLBytes),
	}}, true
}

func degrees(text lenientString, limit float64) (float64, bool) {
	angle, err := strconv.ParseFloat(string(text), 64)
	return angle, err == nil && math.Abs(angle) <= limit // false for NaN
}
