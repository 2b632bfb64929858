package destination

import (
	"context"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/sink/embeddedkinesis"
)

// mostHeldStop bounds the stop of a replay that the stream holds: a second for what is
// under way and two for the sink, and as much again on a busy machine.
const mostHeldStop = 6 * time.Second

func TestAReplayThatTheStreamHoldsSaysSoAndStopsSoon(t *testing.T) {
	s, o := newSite(t, nil), newOracle()
	s.embedded.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Code: "AccessDeniedException"}
	})
	s.feed(newLeads(t, 35, 10), o, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stopped time.Time
	var reasons []string
	options := everything("held")
	options.Held = func(reason string, _ error) {
		if reasons = append(reasons, reason); len(reasons) == 1 {
			stopped = time.Now()
			cancel()
		}
	}
	_, err := replay.Run(ctx, s.config(""), options)
	if took := time.Since(stopped); err == nil || len(reasons) == 0 || reasons[0] != "access-denied" || took > mostHeldStop {
		t.Errorf("held for %v, it ended %v after it was stopped: %v", reasons, took, err)
	}
}
