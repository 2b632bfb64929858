package destination

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/schemas"
)

// TestABackfillThatAPolicyHoldsWaitsForOtherRules: one old event may not leave by the rules in
// force. Its partition waits, and is not read again and again meanwhile; the others are done.
func TestABackfillThatAPolicyHoldsWaitsForOtherRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const attributes = "[person.email, loyalty.points]"
		text := func(attributes string, segments ...string) string {
			text := strings.Replace(backfilling(segments...), "[person.email, loyalty.points]", attributes, 1)
			return text + strings.TrimPrefix(governedConfig, BubbleConfig)
		}
		r := startRuled(t, text("[loyalty.points]", leads.HighPropensity))
		g, o, known := newLeads(t, 48, 20), newOracle(), newProfiles()
		r.registerForbidden()
		r.feedForbidden(newLeads(t, 49, 60), o, 4) // of leads that have no newer events
		r.registry.Register(testTopic+"-value", strings.Replace(string(schemas.SegmentEvaluation), `"labels": ["I1"]`, `"labels": ["I1", "S1"]`, 1))
		r.feedProfiles(g, known, 300)
		r.settled(304, time.Minute, r.process)
		pass(time.Minute)

		var reads atomic.Int32 // from where the topic begins
		r.kafka.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
			r.kafka.KeepControl()
			for _, topic := range request.(*kmsg.FetchRequest).Topics {
				for _, p := range topic.Partitions {
					if p.FetchOffset < 10 {
						reads.Add(1)
					}
				}
			}
			return nil, nil, false
		})
		if status := r.reloadWith(text(attributes, leads.HighPropensity, leads.Newsletter)); status.Refused != nil {
			t.Fatal(status.Refused)
		}
		pass(time.Minute)
		before := reads.Load()
		pass(10 * time.Minute)
		s := r.backfill.Status()
		if s == nil || !strings.Contains(s.Waiting, "forbid the export") || s.Account.Delivered == 0 {
			t.Errorf("it does not wait, or the others do not go on: %+v", s)
		}
		if n := reads.Load() - before; n > 0 {
			t.Errorf("the topic was read %d times from its beginning", n)
		}
		if status := r.reloadWith(text("[loyalty.points]", leads.HighPropensity, leads.Newsletter)); status.Refused != nil {
			t.Fatal(status.Refused)
		}
		r.backfilled(r.process)
		r.stop(t)
	})
}
