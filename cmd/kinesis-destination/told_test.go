package main

import (
	"testing"

	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/status"
)

// TestTwoJournalsHaveStatusTopicsOfTheirOwn: a second control plane on one cluster took what
// the first one's processes tell for news of its own journal, and was read-only from the start.
func TestTwoJournalsHaveStatusTopicsOfTheirOwn(t *testing.T) {
	for topic, want := range map[string]string{journal.DefaultTopic: status.DefaultTopic, "staging.control": "staging.status", "journal": "journal.status"} {
		if got := statusTopicOf(topic); got != want {
			t.Errorf("%s: %s", topic, got)
		}
	}
}
