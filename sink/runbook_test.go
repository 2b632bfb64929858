package sink

import (
	"os"
	"strings"
	"testing"
)

func TestTheRunbookKnowsEveryHoldAndReason(t *testing.T) {
	text, err := os.ReadFile("../deployments/RUNBOOK.md")
	if err != nil {
		t.Fatal(err)
	}
	alerts, err := os.ReadFile("../deployments/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := `reason=~"` + retryThrottled + "|" + retryKMS + `"`; !strings.Contains(string(alerts), want) {
		t.Errorf("no alert looks at %s", want)
	}
	words := []string{
		HoldUnreachable, HoldUnavailable, HoldCredentials, HoldStreamMissing, HoldStreamNotActive, HoldKeysIgnored,
		HoldDeadLetterTopic, HoldExhausted, HoldConfiguration, HoldUnknown,
		ReasonRecordTooLarge, ReasonInvalidPartitionKey, ReasonRejected, retryThrottled, retryKMS,
	}
	for _, v := range verdicts {
		if v.action == hold {
			words = append(words, v.reason)
		}
	}
	for _, word := range words {
		if !strings.Contains(string(text), "`"+word+"`") {
			t.Errorf("%s is not in RUNBOOK.md", word)
		}
	}
}
