// Package terminal prints what others wrote: names, keys, reasons and messages that
// come from topics, registries, streams and files. Nothing in them reaches a terminal
// as an order to it (control characters, C1 included), or turns the text around on
// it (bidirectional marks).
//
// A command's standard output and standard error are a Writer, which is the one
// place where that is seen to, logs and JSON included. What it cannot see is a line
// break that is a part of a value: values go through Text or Indented first.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Writer escapes what is not graphic, but for line ends and tabs, as \u and four
// hexadecimal digits: JSON stays the same JSON. It may be used by several goroutines.
type Writer struct {
	mu   sync.Mutex
	to   io.Writer
	rest []byte // the beginning of a character
}

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer { return &Writer{to: w} }

// Write implements io.Writer. A character that is not complete waits for its rest.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) == 0 && harmless(p) {
		return w.to.Write(p)
	}
	text := append(w.rest, p...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if at := len(text) - back; utf8.RuneStart(text[at]) {
			if !utf8.FullRune(text[at:]) {
				whole = at
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(w.to, escaped(string(text[:whole]), "\n\t")); err != nil {
		return 0, err
	}
	return len(p), nil
}

// harmless tells of the most common text that it needs no escape.
func harmless(p []byte) bool {
	for _, b := range p {
		if (b < ' ' && b != '\n' && b != '\t') || b > '~' {
			return false
		}
	}
	return true
}

// File is what a Writer, or a file itself, writes to; nil: something else.
func File(w io.Writer) *os.File {
	if own, ok := w.(*Writer); ok {
		w = own.to
	}
	file, _ := w.(*os.File)
	return file
}

// Control writes a command's own text as it stands, orders to the terminal included.
func Control(w io.Writer, text string) error {
	if own, ok := w.(*Writer); ok {
		own.mu.Lock()
		defer own.mu.Unlock()
		w = own.to
	}
	_, err := io.WriteString(w, text)
	return err
}

// Text is a value on one line: its line ends and tabs are escaped, too.
func Text(value string) string { return escaped(value, "") }

// Indented is a value that may have several lines, none of which looks like one of
// those around it.
func Indented(value string) string {
	lines := strings.Split(value, "\n")
	for i, line := range lines {
		lines[i] = Text(line)
		if i > 0 && !strings.HasPrefix(line, "  ") {
			lines[i] = "  " + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}

func escaped(text, kept string) string {
	var b strings.Builder
	for _, r := range text { // of what is no UTF-8, ranging makes the replacement character
		switch {
		case unicode.IsGraphic(r) || strings.ContainsRune(kept, r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
