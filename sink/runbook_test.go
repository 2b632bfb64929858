package sink

import (
	"os"
	"strings"
	"testing"
)

func TestTheRunbookKnowsWhatTheStreamsErrorsMean(t *testing.T) {
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
	for code, v := range verdicts {
		if (v.action == hold || v.reason == retryThrottled || v.reason == retryKMS) && !strings.Contains(string(text), "`"+v.reason+"`") {
			t.Errorf("%s, for %s, is not in RUNBOOK.md", v.reason, code)
		}
	}
}
