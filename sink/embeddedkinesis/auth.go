package embeddedkinesis

import (
	"net/http"
	"strings"
	"time"
)

// maxSkew is how far a request's date may be off; the same as the real one's.
const maxSkew = 5 * time.Minute

// authorize checks that the call is signed, by a known key, at about this time.
// The signature itself is not recomputed: no secret is known here.
func (s *Server) authorize(r *http.Request) error {
	const algorithm = "AWS4-HMAC-SHA256 Credential="
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm)
	if !ok {
		return fail("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	key, _, _ := strings.Cut(rest, "/")
	if s.opts.AccessKeyID != "" && key != s.opts.AccessKeyID {
		return fail("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	date, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return fail("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
	}
	if skew := time.Since(date); skew > maxSkew || skew < -maxSkew {
		return fail("InvalidSignatureException", "Signature expired: %s", date.Format(time.RFC3339))
	}
	return nil
}
