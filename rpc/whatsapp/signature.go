package whatsapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

const (
	signatureHeader = "X-Hub-Signature-256"
	signaturePrefix = "sha256="
)

// signedBy reports whether header signs body, byte for byte as it came, with
// any of secrets. Meta escapes its JSON in a way of its own, so that nothing
// but the raw bytes verifies. All secrets are tried, whichever one fits: the
// time taken tells nothing.
func signedBy(secrets []Secret, header string, body []byte) bool {
	digest, ok := strings.CutPrefix(header, signaturePrefix)
	if !ok {
		return false
	}
	given, err := hex.DecodeString(digest)
	if err != nil {
		return false
	}
	fits := 0
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		fits |= subtle.ConstantTimeCompare(mac.Sum(nil), given)
	}
	return fits == 1
}

// sameToken compares in a time that tells neither token's length.
func sameToken(want Secret, given string) bool {
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
