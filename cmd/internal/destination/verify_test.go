package destination

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/verify"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

func TestVerifierStories(t *testing.T) {
	datadriven.RunTest(t, "testdata/verify.txt", func(t *testing.T, d *datadriven.TestData) string {
		v := verify.NewVerifier()
		topic, stream, _ := strings.Cut(d.Input, "|")
		if d.HasArg("replay") { // up to an offset
			var to int64
			d.ScanArgs(t, "replay", &to)
			v.Replay(consumer.Range{Topic: "t", To: to})
		}
		at := verify.Offset{Topic: "t", Offset: -1}
		for document := range strings.FieldsSeq(topic) {
			at.Offset++
			v.Expect(document[:1], []byte(document), "", at)
		}
		for document := range strings.FieldsSeq(stream) {
			v.Stored(document[:1], []byte(document), "")
		}
		r := v.Verdict(&config.Config{Target: config.Target{Kinesis: config.Kinesis{Metadata: true}}})
		return fmt.Sprintf("ok=%v found=%d missing=%d reordered=%d duplicates=%d unknown=%d replayed=%d\n", r.OK(), r.Found, r.Missing, r.Reordered, r.Duplicates, r.Unknown, r.Replayed)
	})
}

// Whatever is done to a right stream that breaks a promise is found.
func TestVerifierFindsEveryBreach(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 500 {
		n := 2 + rnd.IntN(20)
		v := verify.NewVerifier()
		var stream []string
		for i := range n {
			document := fmt.Sprint("document ", i)
			v.Expect("a", []byte(document), "", verify.Offset{})
			stream = append(stream, document)
		}
		breach := rnd.IntN(3)
		i := rnd.IntN(n - 1)
		switch breach {
		case 0: // lost
			stream = append(stream[:i], stream[i+1:]...)
		case 1: // swapped
			stream[i], stream[i+1] = stream[i+1], stream[i]
		case 2: // repeated from i on, as after a crash: allowed
			stream = append(stream, stream[i:]...)
		}
		for _, document := range stream {
			v.Stored("a", []byte(document), "")
		}
		if r := v.Verdict(&config.Config{}); r.OK() != (breach == 2) {
			t.Fatalf("seed %d: breach %d at %d of %d: %+v", seed, breach, i, n, r)
		}
	}
}

// whole verifies the whole topic.
func (s *site) whole() *verify.Result {
	s.t.Helper()
	config, err := config.Parse("site.yaml", []byte(s.configText()))
	if err != nil {
		s.t.Fatal(err)
	}
	v, err := verify.Run(s.t.Context(), &config, consumer.Beginning(), consumer.End(), 5)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// fiveHundred makes as many events up, and runs the destination until they are at rest.
func (s *site) fiveHundred() (*leads.Generator, *oracle) {
	s.t.Helper()
	g, o := newLeads(s.t, 18, 50), newOracle()
	s.feed(g, o, 500)
	p := s.start()
	s.await(60*time.Second, "all events at rest", func() bool { return atRest(p) == o.total })
	p.stop(s.t)
	return g, o
}

func TestContractVerifyTellsThatTheStreamHoldsWhatTheTopicMakes(t *testing.T) {
	s := newSite(t, nil)
	g, o := s.fiveHundred()
	v := s.whole()
	if !v.OK() || v.Consumed != o.total || v.Found != o.total-sum(o.filtered) || v.Duplicates+v.Unknown != 0 || sum(v.Filtered) != sum(o.filtered) {
		t.Errorf("%+v", v)
	}
	// What the group has not come to yet is not said to be missing.
	s.feed(g, o, 100)
	if v := s.whole(); !v.OK() || len(v.Undecided) < 2 {
		t.Errorf("%+v", v)
	}
}

func TestContractVerifyFindsALetterInPlaceOfARecord(t *testing.T) {
	var refused atomic.Int64
	s := newSite(t, func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
			if strings.HasSuffix(key, "7") && refused.Add(1) <= 3 {
				return "ValidationException"
			}
			return ""
		}}
	})
	_, o := s.fiveHundred()
	v := s.whole()
	if !v.OK() || v.DeadLettered["rejected"] != 3 || v.Found != v.Expected || v.Found != o.total-sum(o.filtered)-3 {
		t.Errorf("%+v", v)
	}
}

// Numbers alone led nobody to the event; and what a replay of all events does on purpose
// was called out of order.
func TestContractVerifyNamesPlacesAndKnowsReplays(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(34, embeddedkinesis.Rates{})) // whose history is known
	s.fiveHundred()
	last := s.embedded.History(s.name)
	replayAll(t, s.config(""), everything("all"))
	v := s.whole()
	if !v.OK() || v.Replayed != 0 || v.Duplicates != int64(len(last)) { // whole, it ends with the newest of each
		t.Errorf("after a replay of everything: %+v", v)
	}
	part := everything("part")
	var ends []string
	for p := range sitePartitions {
		ends = append(ends, fmt.Sprint(p, "=20"))
	}
	to, err := consumer.ParsePlace(strings.Join(ends, ","), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	part.To = to
	replayAll(t, s.config(""), part)
	if v = s.whole(); !v.OK() || v.Replayed == 0 || len(v.Places) != 5 || v.Places[0].What != "replayed" || v.Places[0].Topic != s.topic {
		t.Errorf("after a replay of the beginning: %+v", v)
	}
}

func TestVerifyNamesThePlacesOfWhatIsWrong(t *testing.T) {
	v := verify.NewListingVerifier(2)
	for i, document := range []string{"a1", "a2", "b1", "a3", "b2"} {
		v.Expect(document[:1], []byte(document), "", verify.Offset{Topic: "t", Partition: 3, Offset: int64(i)})
	}
	for i, document := range []string{"a2", "a1", "x1", "x2", "x3", "b2"} {
		v.Stored(document[:1], []byte(document), fmt.Sprint("shard ", i))
	}
	var told []string
	for _, p := range v.Verdict(&config.Config{}).Places {
		told = append(told, fmt.Sprint(p.What, " ", p.Offset.Offset, " ", p.InStream))
	}
	if want := []string{"missing 2 ", "missing 3 ", "out of order 0 shard 1", "out of order 0 ", "unknown 0 shard 2", "unknown 0 shard 3"}; !slices.Equal(slices.Sorted(slices.Values(told)), slices.Sorted(slices.Values(want))) {
		t.Errorf("%q, expected %q", told, want)
	}
}
