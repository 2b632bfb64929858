package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/terminal"
)

// barWidth is how long the longest bar of a histogram is.
const barWidth = 40

func writeLetterList(w io.Writer, list *deadletters.List) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d open dead letters on %s\n", list.Open, list.Topic)
	if list.Open > 0 {
		fmt.Fprintf(&b, "\n%-10s %-24s %9s  %-20s  %s\n", "STAGE", "REASON", "LETTERS", "FIRST", "LAST")
	}
	for _, c := range list.Causes {
		fmt.Fprintf(&b, "%-10s %-24s %9d  %-20s  %s\n", terminal.Text(c.Stage), terminal.Text(c.Reason), c.Count, at(c.First), at(c.Last))
	}
	most := int64(1)
	for _, p := range list.Times {
		most = max(most, p.Count)
	}
	for i, p := range list.Times {
		if i == 0 {
			fmt.Fprintf(&b, "\n%-20s %9s  (in periods of %s)\n", "FROM", "LETTERS", strings.TrimSuffix(strings.TrimSuffix(p.Long.String(), "0s"), "0m"))
		}
		bar := strings.Repeat("█", int((p.Count*barWidth+most-1)/most))
		fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%-20s %9d  %s", at(p.From), p.Count, bar), " "))
	}
	for i := range list.Letters {
		l := &list.Letters[i]
		if i == 0 {
			fmt.Fprintf(&b, "\nThe newest:\n%-9s %9s  %-20s  %-10s %-24s %8s  %s\n", "PARTITION", "OFFSET", "FAILED AT", "STAGE", "REASON", "REDRIVES", "ORIGIN")
		}
		fmt.Fprintf(&b, "%-9d %9d  %-20s  %-10s %-24s %8d  %s/%d@%d\n", l.Partition, l.Offset, at(l.FailedAt), terminal.Text(l.Stage), terminal.Text(l.Reason), l.Redrives,
			terminal.Text(l.Origin.Topic), l.Origin.Partition, l.Origin.Offset)
	}
	for i, f := range list.Foreign {
		if i == 0 {
			fmt.Fprintf(&b, "\nNo letters of this destination:\n%-18s %9s  %-22s  %s\n", "REASON", "MESSAGES", "FIRST AT", "WHY")
		}
		fmt.Fprintf(&b, "%-18s %9d  %-22s  %s\n", f.Reason, f.Count, fmt.Sprintf("%d@%d", f.Partition, f.Offset), f.Why)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func writeLetter(w io.Writer, s *deadletters.Shown) error {
	state := "open"
	if s.Settled {
		state = "settled: redriven or dropped"
	}
	lines := [][2]string{
		{"letter", fmt.Sprintf("partition %d, offset %d (%s)", s.Partition, s.Offset, state)},
		{"from", fmt.Sprintf("topic %s, partition %d, offset %d, written %s", s.Origin.Topic, s.Origin.Partition, s.Origin.Offset, at(s.Written))},
		{"left out of the letter", s.ValueOmitted},
		{"failed", fmt.Sprintf("%s, after %d attempts, redriven %d times", at(s.FailedAt), s.Attempts, s.Redrives)},
		{"stage", s.Stage},
		{"reason", s.Reason},
		{"because", s.Message},
		{"key", s.Key},
	}
	for _, h := range s.Headers {
		lines = append(lines, [2]string{"header " + h.Key, string(h.Value)})
	}
	lines = append(lines, [2]string{"value", fmt.Sprintf("%d bytes", s.Bytes)}, [2]string{"schema", s.Schema})
	var b strings.Builder
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(&b, "%s: %s\n", terminal.Text(l[0]), terminal.Indented(l[1]))
		}
	}
	if s.Event == nil {
		b.WriteString("event: cannot be decoded\n")
	} else {
		var indented bytes.Buffer
		if err := json.Indent(&indented, s.Event, "", "  "); err != nil {
			return fmt.Errorf("print the event: %w", err)
		}
		fmt.Fprintf(&b, "event: %s\n", &indented)
	}
	if s.Left != "" {
		fmt.Fprintf(&b, "a redrive leaves it: %s: %s\n", s.Left, s.Today.Message)
		_, err := io.WriteString(w, b.String())
		return err
	}
	d := s.Today.Decision
	today := []string{outcomeWord(d.Outcome)}
	for _, word := range []string{string(d.Reason), s.Today.Message} {
		if word != "" {
			today = append(today, word)
		}
	}
	fmt.Fprintf(&b, "by today's rules: %s\n", terminal.Indented(strings.Join(today, ": ")))
	_, err := io.WriteString(w, b.String())
	return err
}

// letterHeader is a header as show -o json has it.
type letterHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// shownJSON is what show -o json prints.
func shownJSON(s *deadletters.Shown) any {
	headers := []letterHeader{}
	for _, h := range s.Headers {
		headers = append(headers, letterHeader{h.Key, string(h.Value)})
	}
	return struct {
		*deadletters.Shown
		Headers []letterHeader `json:"headers"`
		Today   letterToday    `json:"today"`
	}{s, headers, letterToday{outcomeWord(s.Today.Decision.Outcome), string(s.Today.Decision.Reason)}}
}

// letterToday is what today's rules make of a letter.
type letterToday struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}
