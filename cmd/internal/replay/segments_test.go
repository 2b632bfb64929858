package replay

import (
	"errors"
	"maps"
	"testing"

	"kinesis-destination/cmd/internal/resend"
)

// What other tools, or people, write as a group's metadata is refused as foreign.
func FuzzKnownSegments(f *testing.F) {
	f.Add(writeKnown(map[segmentHash]bool{hashSegment("a"): true, hashSegment("b"): true}))
	for _, note := range []string{"", "null", "{}", "segments1:", "segments1:A", "segments1:AAAA", "segments2:AAAAAAA"} {
		f.Add(note)
	}
	f.Fuzz(func(t *testing.T, note string) {
		known, err := parseKnown(note)
		if err != nil {
			if !errors.Is(err, resend.ErrForeignCheckpoint) {
				t.Errorf("%q: %v", note, err)
			}
			return
		}
		if again, err := parseKnown(writeKnown(known)); err != nil || !maps.Equal(known, again) {
			t.Errorf("%q is written as %q: %v", note, writeKnown(known), err)
		}
	})
}
