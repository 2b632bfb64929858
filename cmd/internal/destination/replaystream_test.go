package destination

import (
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestContractReplayOfASegmentToAnotherStream(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(37, embeddedkinesis.Rates{}))
	g, o := newLeads(t, 37, 50), newOracle()
	s.feed(g, o, 500)
	other := s.name + "-other"
	s.embedded.Create(embeddedkinesis.Stream{Name: other, Shards: 1})
	config := s.config("")
	options := everything("segment")
	options.Segment, options.Stream, options.Rate = config.Activation.Segments[0].ID, other, 100_000
	a := replayAll(t, config, options)
	if len(s.embedded.History(s.name)) != 0 || len(s.embedded.History(other)) != int(a.Delivered) {
		t.Errorf("%d records went to the configuration's stream, %d to the other; %+v", len(s.embedded.History(s.name)), len(s.embedded.History(other)), a)
	}
	for _, r := range s.embedded.History(other) {
		if !strings.Contains(string(r.Data), options.Segment) {
			t.Fatalf("a record that does not list the segment: %s", r.Data)
		}
	}
	if n := a.Filtered[replay.ReasonOtherSegment]; n == 0 || a.Delivered+n != o.total-sum(o.filtered) {
		t.Errorf("%+v", a)
	}
}

// TestContractWhatAnotherStreamRefusesParksNobody: the running processes read the same letters.
func TestContractWhatAnotherStreamRefusesParksNobody(t *testing.T) {
	s := newSite(t, func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Entry: func(int, string, string) string { return "ValidationException" }}
	})
	s.makeTopic(s.letterTopic(), sitePartitions)
	s.feed(newLeads(t, 38, 5), newOracle(), 40)
	other := s.name + "-other"
	s.embedded.Create(embeddedkinesis.Stream{Name: other, Shards: 1})
	for _, stream := range []string{other, ""} {
		options := everything("to" + stream)
		options.Stream, options.Letters = stream, replay.LettersWrite
		before := s.lettersWith(deadletter.HeaderParkedKey)
		a := replayAll(t, s.config("deadLetter: {park: true}\n"), options)
		if parks := s.lettersWith(deadletter.HeaderParkedKey) - before; len(a.DeadLettered) == 0 || parks > 0 != (stream == "") {
			t.Errorf("to %q: %d letters park identities: %+v", stream, parks, a)
		}
	}
}
