package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/term"

	"kinesis-destination/cmd/internal/terminal"
)

// writeJSON prints what a command found, for programs and, indented, for people.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// lines is an account as text: what there is, and how many, line by line.
type lines struct{ strings.Builder }

func (l *lines) add(what string, n int64) { fmt.Fprintf(l, "%-36s %9d\n", what, n) }

// reasons adds a line for each reason, in their order.
func (l *lines) reasons(what string, counts map[string]int64) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		l.add(what+reason, counts[reason])
	}
}

func total(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

func (l *lines) print(w io.Writer) error {
	if _, err := io.WriteString(w, l.String()); err != nil {
		return fmt.Errorf("print the account: %w", err)
	}
	return nil
}

func dryNote(dry bool) string {
	if dry {
		return "dry run: nothing was changed\n"
	}
	return ""
}

// isTerminal tells whether people read what is written.
func isTerminal(w io.Writer) bool {
	file := terminal.File(w)
	return file != nil && term.IsTerminal(int(file.Fd()))
}
