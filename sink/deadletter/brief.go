package deadletter

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// TextLimit is how many bytes an explanation may have, wherever it is shown: in a
// dead letter, a log line, a hold or /status. A message names what it objects to,
// and its names are as long as whoever wrote it likes.
const TextLimit = 4 << 10

// clientCall is how kafka-go names its own function before what went wrong in it, which says nothing to users.
var clientCall = regexp.MustCompile(`kafka\.\(\*[A-Za-z]+\)\.[A-Za-z]+: `)

// Plain is a text without the names of functions of kafka-go.
func Plain(text string) string {
	if !strings.Contains(text, "kafka.(*") {
		return text
	}
	return clientCall.ReplaceAllString(text, "")
}

// Brief is a text of at most TextLimit bytes, valid UTF-8, that begins as text
// does, without the names of functions and says how long that is where it was cut.
func Brief(text string) string {
	text = Plain(text)
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
