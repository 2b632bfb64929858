package api

import (
	"net/http"
	"strings"
)

// Quoted is an entity tag as HTTP and the platform's bodies have it: within quotes.
func Quoted(etag string) string { return `"` + etag + `"` }

// Bare is an entity tag as it was made, however it was sent: bare, quoted, quoted
// twice, as a tutorial does that puts quotes around a text that has them, escaped or
// weak.
func Bare(sent string) string {
	sent = strings.TrimPrefix(strings.TrimSpace(sent), "W/")
	return strings.Trim(strings.ReplaceAll(sent, `\`, ""), `"`)
}

// Match checks If-Match. Without one the change would overwrite what its author has
// not seen.
func Match(r *http.Request, current string) error {
	given := r.Header.Get("If-Match")
	if strings.TrimSpace(given) == "" {
		return Refuse(CodeNoIfMatch, "The header 'If-Match' is missing in the request. Send the document's etag in it; GET has it.").Titled("Header is missing")
	}
	if names(given, current) {
		return nil
	}
	return Stale(Bare(given), current)
}

// names tells whether one of a header's tags is the document's, or stands for any.
func names(header, current string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if bare := Bare(one); bare == current || bare == "*" {
			return true
		}
	}
	return false
}

// Given checks If-Match and If-None-Match where a request has them. The document may not
// be there yet: current is empty then, and no version of it matches.
func Given(r *http.Request, current string) error {
	if strings.TrimSpace(r.Header.Get("If-Match")) != "" {
		if current == "" {
			return Refuse(CodeStale, "The header 'If-Match' names a version, and the document is not there: it was deleted, or never made. Get it again, and send 'If-None-Match: *' to make it.")
		}
		if err := Match(r, current); err != nil {
			return err
		}
	}
	if current != "" && names(r.Header.Get("If-None-Match"), current) {
		return Refuse(CodeStale, "The header 'If-None-Match' wants a document that is not there yet, or is another one, and there is version '%s' of it: somebody was faster. Get the document again, make the change on what it is now, and send its etag in 'If-Match'.", current)
	}
	return nil
}

// Stale is the refusal of a change of an older version.
func Stale(supplied, current string) *Error {
	return Refuse(CodeStale, "The supplied version '%s' does not match the current version on entity '%s'. Get the document again, make the change on what it is now, and send its etag.", short(supplied), current)
}

// short bounds what a message quotes of a request.
func short(text string) string {
	const most = 80
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
