package destination

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/sink/embeddedkinesis"
)

// many writes n events of n/10 profiles: those of a few, told of many. It returns
// which profiles are in the newsletter's segment by their newest event.
func (s *site) many(g *leads.Generator, n int) map[string]bool {
	s.t.Helper()
	var samples []leads.Event
	for range 2000 {
		e, err := g.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		samples = append(samples, e)
	}
	members := map[string]bool{}
	profiles := max(1, n/10)
	var messages []kafka.Message
	for i := range n {
		e := samples[(i*7919+i/profiles)%len(samples)]
		id := fmt.Sprintf("%0*d", len(e.Key), i%profiles)
		messages = append(messages, kafka.Message{Key: []byte(id), Value: s.framed(bytes.ReplaceAll(e.Body, []byte(e.Key), []byte(id)))})
		members[id] = slices.Contains(e.Inside, leads.Newsletter)
		if len(messages) == 20_000 || i == n-1 {
			s.produce(messages...)
			messages = messages[:0]
		}
	}
	return members
}

// catchUpGroup sets the group's offsets to the topic's end, as if it had exported all.
func (s *site) catchUpGroup() {
	s.t.Helper()
	ctx := context.Background()
	ends := map[string][]kafka.OffsetRequest{}
	for p := range sitePartitions {
		ends[s.topic] = append(ends[s.topic], kafka.LastOffsetOf(p))
	}
	last, err := s.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ends})
	if err != nil {
		s.t.Fatal(err)
	}
	commits := map[string][]kafka.OffsetCommit{}
	for _, p := range last.Topics[s.topic] {
		commits[s.topic] = append(commits[s.topic], kafka.OffsetCommit{Partition: p.Partition, Offset: p.LastOffset})
	}
	res, err := s.kafka.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: s.name, GenerationID: -1, Topics: commits})
	if err != nil || res.Topics[s.topic][0].Error != nil {
		s.t.Fatal(err, res)
	}
}

// BACKFILL_EVENTS sets another number of events than the stories' usual one.
func TestContractABackfillOfALargeTopicBesideLiveTraffic(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(44, embeddedkinesis.Rates{}))
	n := s.load()
	if text := os.Getenv("BACKFILL_EVENTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	start := func(segments ...string) *process {
		text := s.configText()
		config, err := config.Parse("site.yaml", []byte(strings.Replace(text, fmt.Sprintf("segments: [{id: %s}, {id: %s}]", leads.HighPropensity, leads.Newsletter),
			"backfill: {newSegments: true, since: 720h}\n  segments: [{id: "+strings.Join(segments, "}, {id: ")+"}]", 1)))
		if err != nil {
			t.Fatal(err)
		}
		return launch(t, config, Options{Logger: slog.New(slog.DiscardHandler)})
	}
	p := start(leads.HighPropensity)
	s.await(time.Minute, "the segments are known", func() bool { return len(s.offsetsOf(s.name+".backfill")) == 1 })
	p.stop(t)
	g := newLeads(t, 44, 500)
	began := time.Now()
	members := s.many(g, n)
	s.catchUpGroup()
	made := time.Since(began)

	began = time.Now()
	p = start(leads.HighPropensity, leads.Newsletter)
	live, o := newLeads(t, 45, 100), newOracle()
	s.await(time.Hour, "the backfill has ended", func() bool {
		s.feed(live, o, 20)
		pass(time.Second / 4)
		status := p.backfill.Status()
		return status != nil && !status.Ended.IsZero()
	})
	took := time.Since(began)
	s.await(time.Minute, "live events are at rest", func() bool { return atRest(p) >= o.total })
	p.stop(t)
	want := 0
	for _, member := range members {
		if member {
			want++
		}
	}
	status := p.backfill.Status()
	found := map[string]int{}
	for _, r := range s.embedded.History(s.name) {
		if _, many := members[r.PartitionKey]; many {
			found[r.PartitionKey]++
		}
	}
	t.Logf("%d events of %d profiles (made in %v): %d members exported in %v beside %d live events, %.0f events/s; %+v",
		n, len(members), made.Round(time.Second), want, took.Round(time.Millisecond), o.total, float64(n)/took.Seconds(), status.Account)
	for id, member := range members {
		if member != (found[id] == 1) {
			t.Fatalf("profile %s: member %v, %d records", id, member, found[id])
		}
	}
	// The first live events came before the process had looked at its segments.
	if c := status.Account.Consumed; c < int64(n) || c > int64(n)+o.total || status.Account.Unaccounted() != 0 {
		t.Errorf("%+v", status.Account)
	}
}
