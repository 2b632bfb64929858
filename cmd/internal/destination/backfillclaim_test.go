package destination

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/sink/embeddedkinesis"
)

// quickRetry has what fails tried again soon.
func quickRetry(text string) string {
	return strings.Replace(text, "stream: leads\n", "stream: leads\n    retry: {initialInterval: 100ms, maxInterval: 200ms}\n", 1)
}

func failing(embeddedkinesis.Call) embeddedkinesis.Action {
	return embeddedkinesis.Action{Code: "InternalFailure"}
}

// stuckBackfill is a process whose backfill has queued what it will not get rid
// of until heal is called: the stream fails.
func (b *bubble) stuckBackfill(p *profiles) (_ *process, heal func()) {
	b.t.Helper()
	first := b.startText(8080, quickRetry(backfilling(leads.HighPropensity)))
	b.feedProfiles(newLeads(b.t, 61, 60), p, 600)
	b.settled(600, time.Minute, first)
	pass(5 * time.Second) // for what is known to be kept
	first.stop(b.t)
	b.kinesis.SetScript(failing)
	second := b.startText(8080, quickRetry(backfilling(leads.HighPropensity, leads.Newsletter)))
	pass(20 * time.Second)
	if s := second.backfill.Status(); s == nil || !s.Ended.IsZero() {
		b.t.Fatalf("the story tells nothing: %+v", s)
	}
	return second, func() { b.kinesis.SetScript(nil) }
}

// A backfill's records are of the claim of their partition, as those of live
// events are: once the group is left, or has given the partition to another, the
// next owner's newer events may be in the stream already.
func TestABackfillSendsNothingAfterTheGroupIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{})
		p, heal := b.stuckBackfill(newProfiles())
		stored := len(b.kinesis.History(testStream))
		p.cancel()
		pass(8 * time.Second) // what was handed out had 5 s to be delivered
		heal()
		p.stop(t)
		if n := len(b.kinesis.History(testStream)) - stored; n != 0 {
			t.Errorf("%d records were written after the group was left", n)
		}
	})
}

func TestABackfillSendsNothingOfAPartitionThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		all := newProfiles()
		known, added := quickRetry(backfilling(leads.HighPropensity)), quickRetry(backfilling(leads.HighPropensity, leads.Newsletter))
		first := b.startText(8080, known)
		b.feedProfiles(newLeads(b.t, 62, 60), all, 600)
		b.settled(600, time.Minute, first)
		pass(5 * time.Second)
		stored := len(b.kinesis.History(testStream))
		b.kinesis.SetScript(failing)
		p := b.startText(8082, added)
		pass(20 * time.Second) // p is given partition 1, and its backfill stands there
		first.stop(t)
		pass(10 * time.Second)
		q := b.startText(8080, added) // is given partition 1 of the two that p has by now
		pass(30 * time.Second)
		if at := p.Stats().Partitions; len(at) != 1 || at[0].Partition != 0 || len(b.kinesis.History(testStream)) != stored {
			t.Fatalf("the story tells nothing: %+v", at)
		}
		b.kinesis.SetScript(nil)
		b.backfilled(p, q)
		sent := serials(t, b.kinesis.History(testStream)[stored:])
		for key, serial := range all.members() {
			if got := sent[key]; len(got) != 1 || got[0] != serial {
				t.Errorf("%s: exported %v, once %d is right", key, got, serial)
			}
		}
		p.stop(t)
		q.stop(t)
	})
}
