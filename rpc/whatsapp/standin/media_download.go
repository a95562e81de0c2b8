package standin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mediaPath is where media is downloaded from; it looks like Meta's.
const mediaPath = "/whatsapp_business/attachments/"

// serveObject answers GET /{version}/{media_id}: where to download it, for
// five minutes. Meta's page "Media", under "Retrieve media URL".
func (g *Graph) serveObject(w http.ResponseWriter, r *http.Request) {
	file, call, refusal := g.authorizeMedia(r)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	if g.struck(w, r, g.faults.planCall(CallMedia, file.PhoneNumberID, file.ID.String()+"/"+itoa(call))) {
		return
	}
	g.writeAnswer(w, http.StatusOK, struct {
		URL      string  `json:"url"`
		MIMEType string  `json:"mime_type"`
		SHA256   string  `json:"sha256"`
		Bytes    int     `json:"file_size"`
		ID       MediaID `json:"id"`
		Product  string  `json:"messaging_product"`
	}{g.mediaURL(g.baseURL(r), file.ID, time.Now()), file.MIMEType, file.SHA256, file.Bytes, file.ID, messagingProduct})
}

// serveDelete answers DELETE /{version}/{media_id}.
func (g *Graph) serveDelete(w http.ResponseWriter, r *http.Request) {
	file, _, refusal := g.authorizeMedia(r)
	if refusal != nil {
		g.writeError(w, refusal)
		return
	}
	g.media.delete(file.ID)
	g.writeAnswer(w, http.StatusOK, map[string]bool{"success": true})
}

// authorizeMedia finds media that a number of the token's business may see.
func (g *Graph) authorizeMedia(r *http.Request) (MediaFile, int, *graphError) {
	object := r.PathValue("object")
	token, refusal := g.bearer(r, object)
	if refusal != nil {
		return MediaFile{}, 0, refusal
	}
	file, _, call, ok := g.media.find(MediaID(object), time.Now())
	asked := PhoneNumberID(r.URL.Query().Get("phone_number_id"))
	if !ok || !g.mayFetch(token, file) || (asked != "" && asked != file.PhoneNumberID) {
		return MediaFile{}, 0, noObject(strings.ToLower(r.Method), object)
	}
	return file, call, nil
}

// mayFetch: every token of the business may.
func (g *Graph) mayFetch(token string, file MediaFile) bool {
	owner := g.numbers[file.PhoneNumberID]
	for _, n := range g.numbers {
		if n.Business == owner.Business && sameToken(n.AccessToken, token) {
			return true
		}
	}
	return false
}

// mediaURL is good until the second that it names.
func (g *Graph) mediaURL(base string, id MediaID, now time.Time) string {
	until := strconv.FormatInt(now.Add(mediaURLTime).Unix(), 10)
	query := url.Values{"mid": {id.String()}, "ext": {until}, "hash": {g.mediaToken(id, until)}}
	return base + mediaPath + "?" + query.Encode()
}

func (g *Graph) mediaToken(id MediaID, until string) string {
	return strconv.FormatUint(g.seed.draw("media url", id.String(), until), 36)
}

// serveDownload gives the bytes to who has the token, while the URL lives;
// after that it is not found, and must be asked for anew.
func (g *Graph) serveDownload(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id, until := MediaID(query.Get("mid")), query.Get("ext")
	token, ok := bearerOf(r)
	if !ok || !g.tokenKnown(token) {
		g.refuseDownload(w, http.StatusUnauthorized)
		return
	}
	now := time.Now()
	file, data, call, ok := g.media.find(id, now)
	seconds, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil || query.Get("hash") != g.mediaToken(id, until) || now.Unix() > seconds {
		g.refuseDownload(w, http.StatusNotFound)
		return
	}
	if !g.mayFetch(token, file) {
		g.refuseDownload(w, http.StatusForbidden)
		return
	}
	plan := g.faults.planCall(CallDownload, file.PhoneNumberID, file.ID.String()+"/"+itoa(call))
	if g.struck(w, r, plan) {
		return
	}
	if plan.corrupt {
		data = slices.Clone(data)
		data[len(data)/2] ^= 0xff
	}
	g.media.downloaded(id)
	w.Header().Set("Content-Type", file.MIMEType)
	w.Header().Set("Content-Length", itoa(len(data)))
	if _, err := w.Write(data); err != nil {
		g.counters.answersUnread.Add(1)
	}
}

// refuseDownload: the host that keeps media knows no Graph error.
func (g *Graph) refuseDownload(w http.ResponseWriter, status int) {
	g.counters.refused.Add(1)
	http.Error(w, http.StatusText(status), status)
}
