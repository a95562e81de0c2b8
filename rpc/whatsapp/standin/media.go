package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Meta's limits on media, in bytes, and how long it keeps them: its pages
// "Media" and "Supported media types".
const (
	imageLimit           = 5 << 20
	audioVideoLimit      = 16 << 20
	documentLimit        = 100 << 20
	staticStickerLimit   = 100 << 10
	animatedStickerLimit = 500 << 10

	uploadedMediaTime = 30 * 24 * time.Hour
	receivedMediaTime = 7 * 24 * time.Hour
	mediaURLTime      = 5 * time.Minute
)

// mediaTypes holds what can be uploaded, and as what.
var mediaTypes = map[string]string{
	"image/jpeg": "image", "image/png": "image", "image/webp": "sticker",
	"video/mp4": "video", "video/3gpp": "video",
	"audio/aac": "audio", "audio/mp4": "audio", "audio/mpeg": "audio", "audio/amr": "audio",
	"audio/ogg": "audio", "audio/opus": "audio",
	"text/plain": "document", "application/pdf": "document",
	"application/msword": "document", "application/vnd.ms-excel": "document",
	"application/vnd.ms-powerpoint":                                             "document",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   "document",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         "document",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": "document",
}

// mediaLimit is how many bytes media of a type may have.
func mediaLimit(mimeType string, data []byte) int {
	switch mediaTypes[mimeType] {
	case "image":
		return imageLimit
	case "audio", "video":
		return audioVideoLimit
	case "sticker":
		if animated(data) {
			return animatedStickerLimit
		}
		return staticStickerLimit
	}
	return documentLimit
}

// animated reads the flag in the header of an extended WebP file.
func animated(webp []byte) bool {
	const flags, animationFlag = 20, 0x02
	return len(webp) > flags && string(webp[12:16]) == "VP8X" && webp[flags]&animationFlag != 0
}

// MediaFile is media that the stand-in took or made up, without its bytes.
type MediaFile struct {
	ID            MediaID       `json:"id"`
	PhoneNumberID PhoneNumberID `json:"phone_number_id"`
	Received      bool          `json:"received,omitempty"` // from a customer, not uploaded
	MIMEType      string        `json:"mime_type"`
	Filename      string        `json:"filename,omitempty"`
	SHA256        string        `json:"sha256"` // hex
	Bytes         int           `json:"bytes"`
	At            time.Time     `json:"at"`
	ExpiresAt     time.Time     `json:"expires_at"`
	Downloads     int           `json:"downloads"` // answered with the bytes
	Deleted       bool          `json:"deleted,omitempty"`
}

// mediaStore keeps media in memory. What has expired or was deleted loses its
// bytes when room is needed, and stays listed.
type mediaStore struct {
	seed  seed
	limit int64

	mu     sync.Mutex
	bytes  int64
	files  map[MediaID]*storedMedia
	order  []MediaID
	copies map[string]int // how often the same bytes came to the same number
}

type storedMedia struct {
	MediaFile
	data  []byte // nil once there was no more use for it
	calls int    // GETs and downloads, which name its draws
}

func newMediaStore(s seed, limit int64) *mediaStore {
	return &mediaStore{seed: s, limit: limit, files: make(map[MediaID]*storedMedia), copies: make(map[string]int)}
}

func (f *storedMedia) alive(now time.Time) bool { return !f.Deleted && now.Before(f.ExpiresAt) }

// put keeps the bytes, which the caller gives away.
func (m *mediaStore) put(file MediaFile, data []byte) (MediaFile, error) {
	sum := sha256.Sum256(data)
	file.SHA256, file.Bytes = hex.EncodeToString(sum[:]), len(data)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bytes+int64(len(data)) > m.limit {
		m.makeRoom(file.At)
	}
	if m.bytes+int64(len(data)) > m.limit || len(m.order) >= maxMediaFiles {
		return MediaFile{}, fmt.Errorf("keep media: %w", ErrFull)
	}
	same := file.PhoneNumberID.String() + "/" + file.SHA256
	m.copies[same]++
	file.ID = MediaID(m.seed.objectID("media", same, itoa(m.copies[same])))
	m.files[file.ID] = &storedMedia{MediaFile: file, data: data}
	m.order = append(m.order, file.ID)
	m.bytes += int64(len(data))
	return file, nil
}

// makeRoom is called with mu held.
func (m *mediaStore) makeRoom(now time.Time) {
	for _, file := range m.files {
		if !file.alive(now) {
			m.bytes -= int64(len(file.data))
			file.data = nil
		}
	}
}

// find answers media that is there and has not expired, and numbers the call.
func (m *mediaStore) find(id MediaID, now time.Time) (file MediaFile, data []byte, call int, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, ok := m.files[id]
	if !ok || !stored.alive(now) {
		return MediaFile{}, nil, 0, false
	}
	stored.calls++
	return stored.MediaFile, stored.data, stored.calls, true
}

func (m *mediaStore) downloaded(id MediaID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[id].Downloads++
}

func (m *mediaStore) delete(id MediaID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	if !ok || file.Deleted {
		return false
	}
	file.Deleted = true
	return true
}

// hash of media that is there, or none.
func (m *mediaStore) hash(id MediaID, now time.Time) string {
	if id == "" {
		return "" // most sends, which need no lock
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if file, ok := m.files[id]; ok && file.alive(now) {
		return file.SHA256
	}
	return ""
}

// has tells whether a send of this number may carry the media.
func (m *mediaStore) has(id MediaID, number PhoneNumberID, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	return ok && file.alive(now) && file.PhoneNumberID == number
}

// suits tells whether media can be sent as what the send says. What is not
// known suits: whether it may be sent at all is another question.
func (m *mediaStore) suits(id MediaID, kind string, now time.Time) bool {
	if id == "" || kind == "document" {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	file, ok := m.files[id]
	if !ok || !file.alive(now) {
		return true
	}
	bare, _, _ := strings.Cut(file.MIMEType, ";")
	return mediaTypes[bare] == kind
}

// MediaFiles lists the media in the order in which it came.
func (g *Graph) MediaFiles() []MediaFile {
	g.media.mu.Lock()
	defer g.media.mu.Unlock()
	files := make([]MediaFile, 0, len(g.media.order))
	for _, id := range g.media.order {
		files = append(files, g.media.files[id].MediaFile)
	}
	return files
}

// MediaData answers a copy of the bytes of media that has not expired.
func (g *Graph) MediaData(id MediaID) ([]byte, bool) {
	g.media.mu.Lock()
	defer g.media.mu.Unlock()
	file, ok := g.media.files[id]
	if !ok || !file.alive(time.Now()) {
		return nil, false
	}
	return slices.Clone(file.data), true
}

// DeleteMedia removes media before it expires, as WhatsApp might.
func (g *Graph) DeleteMedia(id MediaID) bool { return g.media.delete(id) }
