package standin

import "testing"

// TestMediaLimits looks at the table itself: uploads of 100 MB would prove no
// more, and TestUploadLimits has those that are small.
func TestMediaLimits(t *testing.T) {
	for mimeType, want := range map[string]int{
		"image/jpeg": 5 << 20, "image/png": 5 << 20, "image/webp": 100 << 10,
		"video/mp4": 16 << 20, "video/3gpp": 16 << 20,
		"audio/aac": 16 << 20, "audio/mp4": 16 << 20, "audio/mpeg": 16 << 20, "audio/amr": 16 << 20, "audio/ogg": 16 << 20,
		"application/pdf": 100 << 20, "text/plain": 100 << 20,
	} {
		if got := mediaLimit(mimeType, nil); got != want {
			t.Errorf("mediaLimit(%s): got %d, want %d", mimeType, got, want)
		}
	}
}
