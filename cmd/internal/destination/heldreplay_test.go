package destination

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/cmd/internal/rules"
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
	options.Held = func(reason, _ string) {
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

func TestAReplayThatTheRegistryHoldsSaysSoAndGoesOn(t *testing.T) {
	s, o := newSite(t, nil), newOracle()
	s.feed(newLeads(t, 36, 10), o, 100)
	upstream, err := url.Parse(s.registry)
	if err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(upstream)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()
	s.registry = front.URL
	var heard []string
	options := everything("registry")
	options.Held = func(reason, cause string) {
		heard = append(heard, reason)
		if reason != "" && !strings.Contains(cause, "503") {
			t.Errorf("held for %s because of %q", reason, cause)
		}
		up.Store(true)
	}
	if a := replayAll(t, s.config(""), options); a.Consumed != 100 {
		t.Errorf("%d events read", a.Consumed)
	}
	if !slices.Equal(heard, []string{rules.HoldRegistry, ""}) {
		t.Errorf("heard %q", heard)
	}
}
