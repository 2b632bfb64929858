package deadletter

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// TextLimit is how many bytes an explanation may have, wherever it is shown: in a
// dead letter, a log line, a hold or /status. A message names what it objects to,
// and its names are as long as whoever wrote it likes.
const TextLimit = 4 << 10

// Brief is a text of at most TextLimit bytes, valid UTF-8, that begins as text
// does and says how long that is where it was cut.
func Brief(text string) string {
	if len(text) <= TextLimit && utf8.ValidString(text) {
		return text
	}
	// What is invalid may grow to three bytes each: first cut, then mend.
	head := strings.ToValidUTF8(text[:min(len(text), TextLimit)], "\uFFFD")
	if len(head) <= TextLimit && len(text) <= TextLimit {
		return head
	}
	tail := fmt.Sprintf("… (%d bytes in all)", len(text))
	end := min(len(head), TextLimit-len(tail))
	for end > 0 && end < len(head) && !utf8.RuneStart(head[end]) {
		end--
	}
	return head[:end] + tail
}
