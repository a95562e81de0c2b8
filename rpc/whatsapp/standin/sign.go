package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// signatureHeader carries the signature of a webhook POST.
const signatureHeader = "X-Hub-Signature-256"

// sign makes the header's value over the very bytes that are sent.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// forge makes a signature that is well formed and wrong: what somebody signs
// who knows everything but the secret.
func forge(secret string, body []byte) string {
	return sign("not the secret, "+secret, body)
}
