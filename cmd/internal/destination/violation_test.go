package destination

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAViolationIsLoggedWithWhatTheRulesInForceDoAboutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, governedConfig)
		r.reloadWith(strings.Replace(governedConfig, "onViolation: refuse", "onViolation: drop-field", 1))
		g, o := newLeads(t, 14, 30), newOracle()
		r.registerForbidden()
		r.feedForbidden(g, o, 100)
		r.settled(o.total, time.Minute, r.process)
		r.stop(t)
		if r.log.Count("onViolation=drop-field") != 1 || r.log.Count("onViolation=refuse") != 0 {
			t.Errorf("the log names another onViolation than that in force:\n%s", r.log)
		}
	})
}

func TestALabelThatAppearsAtRunTimeMakesDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startRuled(t, strings.Replace(governedConfig, "onViolation: refuse", "onViolation: dead-letter", 1))
		g, o, forbidden := newLeads(t, 13, 30), newOracle(), newOracle()
		r.feed(g, o, 100)
		r.registerForbidden()
		r.feedForbidden(g, forbidden, 100)
		r.settled(o.total+forbidden.total, time.Minute, r.process)
		account := r.Account()
		r.stop(t)
		want := forbidden.total - sum(forbidden.filtered)
		if got := account.DeadLettered["policy-violation"]; got != want || want == 0 {
			t.Errorf("dead-lettered %v, expected %d", account.DeadLettered, want)
		}
		letters := r.letters()
		for _, letter := range letters {
			for _, h := range letter.Headers {
				if h.Key == "x-reason" && string(h.Value) != "policy-violation" || h.Key == "x-stage" && string(h.Value) != "transform" {
					t.Errorf("header %s: %s", h.Key, h.Value)
				}
			}
		}
		if int64(len(letters)) != want {
			t.Errorf("%d letters, expected %d", len(letters), want)
		}
		if v := o.judge(r.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
	})
}
