package destination

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

func (s *site) config(extra string) *config.Config {
	s.t.Helper()
	config, err := config.Parse("site.yaml", []byte(s.configText()+extra))
	if err != nil {
		s.t.Fatal(err)
	}
	return &config
}

// everything is a replay of all that the topic holds now.
func everything(id string) replay.Options {
	return replay.Options{From: consumer.Beginning(), To: consumer.End(), ID: id, Logger: slog.New(slog.DiscardHandler)}
}

func replayAll(t *testing.T, config *config.Config, o replay.Options) *replay.Result {
	t.Helper()
	a, err := replay.Run(t.Context(), config, o)
	if err != nil {
		t.Fatal(err)
	}
	if a.Unaccounted() != 0 {
		t.Errorf("not every event is accounted for: %+v", a)
	}
	return a
}

// offsetsOf is what a group has committed of the site's topic, by partition.
func (s *site) offsetsOf(group string) map[int]int64 {
	s.t.Helper()
	partitions := make([]int, sitePartitions)
	for p := range partitions {
		partitions[p] = p
	}
	res, err := s.kafka.OffsetFetch(context.Background(), &kafka.OffsetFetchRequest{GroupID: group, Topics: map[string][]int{s.topic: partitions}})
	if err != nil {
		s.t.Fatal(err)
	}
	offsets := map[int]int64{}
	for _, p := range res.Topics[s.topic] {
		if p.CommittedOffset >= 0 {
			offsets[p.Partition] = p.CommittedOffset
		}
	}
	return offsets
}

func TestContractReplaySendsEveryEventOfTheRangeInOrder(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(31, embeddedkinesis.Rates{Throttle: .05}))
	g, o := newLeads(t, 31, 300), newOracle()
	s.feed(g, o, 3000)
	began := time.Now()
	a := replayAll(t, s.config(""), everything("all"))
	v := o.judge(s.embedded.History(s.name))
	t.Logf("%+v in %v; %+v", a, time.Since(began).Round(time.Millisecond), v)
	if v != (verdict{}) {
		t.Errorf("%+v", v)
	}
	if a.Consumed != o.total || a.Delivered != o.total-sum(o.filtered) || len(a.DeadLettered) != 0 || fmt.Sprint(a.Filtered) != fmt.Sprint(o.filtered) {
		t.Errorf("%+v of %d, %v", a, o.total, o.filtered)
	}
	if live := s.offsetsOf(s.name); len(live) != 0 {
		t.Errorf("the offsets of the running processes were touched: %v", live)
	}
	before := len(s.embedded.History(s.name))
	s.feed(g, newOracle(), 100) // what comes later is not of the range, which the id keeps
	again := replayAll(t, s.config(""), everything("all"))
	if sent := len(s.embedded.History(s.name)) - before; sent != 0 || fmt.Sprint(again.Account) != fmt.Sprint(a.Account) {
		t.Errorf("a replay that is done sent %d more; %+v", sent, again)
	}
	other := everything("all")
	other.LatestOnly = true
	if _, err := replay.Run(t.Context(), s.config(""), other); !errors.Is(err, replay.ErrOtherReplay) {
		t.Errorf("another replay went on under the id of this one: %v", err)
	}
}

// "The same command goes on from here" was untrue of a time ago, which is another an hour later.
func TestAReplayOfATimeAgoGoesOnByTheSameWords(t *testing.T) {
	s := newSite(t, nil)
	g, o := newLeads(t, 33, 20), newOracle()
	s.feed(g, o, 50)
	ago := func(now time.Time) replay.Options {
		options := everything("ago")
		from, err := consumer.ParsePlace("1h", now)
		if err != nil {
			t.Fatal(err)
		}
		options.From = from
		return options
	}
	first := replayAll(t, s.config(""), ago(time.Now()))
	sent := len(s.embedded.History(s.name))
	again := replayAll(t, s.config(""), ago(time.Now().Add(20*time.Minute)))
	if first.Delivered == 0 || again.Delivered != first.Delivered || len(s.embedded.History(s.name)) != sent {
		t.Errorf("%+v, then %+v", first, again)
	}
	if _, err := replay.Run(t.Context(), s.config(""), everything("ago")); !errors.Is(err, replay.ErrOtherReplay) {
		t.Errorf("another range went on under the id of this one: %v", err)
	}
}

func (s *site) replayAlone(program, config string, killAt int, args ...string) (account replay.Result) {
	s.t.Helper()
	s.alone(program, killAt, &account, append([]string{"replay", "-c", config, "--from", "earliest", "--to", "latest"}, args...)...)
	return account
}

func TestContractReplayGoesOnAfterAKillWithoutAGap(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(32, embeddedkinesis.Rates{Throttle: .01}))
	n := s.load() / 2
	g, o := newLeads(t, 32, max(50, n/20)), newOracle()
	s.feed(g, o, n)
	program, config := s.binary()
	exported := int(o.total - sum(o.filtered))
	began := time.Now()
	s.replayAlone(program, config, exported/2, "--id", "killed")
	killed := len(s.embedded.History(s.name))
	a := s.replayAlone(program, config, 0, "--id", "killed")
	took := time.Since(began)
	v := o.judge(s.embedded.History(s.name))
	t.Logf("%d events, killed after %d of %d records; then %+v; %v in all, %.0f events/s; %+v",
		n, killed, exported, a, took.Round(time.Millisecond), float64(n)/took.Seconds(), v)
	if v.lost+v.unexpected != 0 || v.duplicates+v.reordered > resend.RoundSize {
		t.Errorf("%+v", v)
	}
	if a.Consumed != o.total || a.Delivered != int64(exported) || a.Unaccounted() != 0 {
		t.Errorf("the account is not of the whole replay: %+v", a)
	}
}

func TestContractLatestOnlySendsEachIdentitysNewestEventOnce(t *testing.T) {
	for _, limit := range []int{resend.IndexLimit, 7} { // the latter in many slices
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			s := newSite(t, embeddedkinesis.Random(33, embeddedkinesis.Rates{}))
			g, o := newLeads(t, 33, 300), newOracle()
			s.feed(g, o, 3000)
			options := everything("newest")
			options.LatestOnly = true
			r, err := replay.New(t.Context(), s.config(""), options)
			if err != nil {
				t.Fatal(err)
			}
			defer r.History.Close()
			r.IndexLimit = limit
			if err := r.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			a, records := r.Account(), s.embedded.History(s.name)
			if len(records) != len(o.expected) || o.lastStates(records) != 0 {
				t.Errorf("%d records of %d identities, %d with an old state", len(records), len(o.expected), o.lastStates(records))
			}
			older := o.total - sum(o.filtered) - int64(len(o.expected))
			if a.Consumed != o.total || a.Delivered != int64(len(o.expected)) || a.Filtered[resend.ReasonSuperseded] != older || a.Unaccounted() != 0 {
				t.Errorf("%+v, of %d", a, o.total)
			}
		})
	}
}

// While the live pipeline delivers newer events of the same identities, no old
// state that a replay sends may be what is left of one.
func TestContractLatestOnlyBesideLiveTrafficLeavesNoOldStateAsTheLast(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(34, embeddedkinesis.Rates{Throttle: .1}))
	g, o := newLeads(t, 34, 300), newOracle()
	s.feed(g, o, 1000)
	p := s.start()
	var feeding sync.WaitGroup
	feeding.Go(func() {
		for range 40 {
			s.feed(g, o, 20)
			pass(30 * time.Millisecond)
		}
	})
	var delivered, caughtUp int64
	for i := range 3 {
		options := everything(fmt.Sprint(i))
		options.LatestOnly = true
		a := replayAll(t, s.config(""), options)
		delivered += a.Delivered
		caughtUp += a.CaughtUp
	}
	feeding.Wait()
	s.await(time.Minute, "all events at rest", func() bool { return atRest(p) >= o.total })
	p.stop(t)
	t.Logf("%d delivered, %d newer events put once more", delivered, caughtUp)
	if delivered == 0 {
		t.Error("the story tells nothing")
	}
	if left := o.lastStates(s.embedded.History(s.name)); left != 0 {
		t.Errorf("%d identities have an old state as their last", left)
	}
}

func TestContractDryRunCountsWhatAReplayDoes(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(36, embeddedkinesis.Rates{}))
	g, o := newLeads(t, 36, 100), newOracle()
	s.feed(g, o, 1000)
	s.produce(kafka.Message{Key: []byte("x"), Value: []byte("no event")}, kafka.Message{Key: []byte("x")})
	for _, latestOnly := range []bool{false, true} {
		options := everything(fmt.Sprint(latestOnly))
		options.LatestOnly, options.DryRun = latestOnly, true
		before := len(s.embedded.History(s.name))
		dry := replayAll(t, s.config(""), options)
		if sent := len(s.embedded.History(s.name)) - before; sent != 0 || len(s.offsetsOf(config.ReplayGroup(s.config(""), options.ID))) != 0 {
			t.Errorf("a dry run sent %d records, or kept offsets", sent)
		}
		options.DryRun = false
		a := replayAll(t, s.config(""), options)
		if fmt.Sprint(dry.Account) != fmt.Sprint(a.Account) || a.DeadLettered["malformed"] != 1 || a.Filtered[rules.ReasonTombstone] != 1 {
			t.Errorf("dry run %+v, replay %+v", dry.Account, a.Account)
		}
		records, bytes := s.embedded.History(s.name)[before:], 0
		for _, r := range records {
			bytes += len(r.Data) + len(r.PartitionKey)
		}
		e := dry.Estimate
		if e.Records != int64(len(records)) || e.Bytes != int64(bytes) || e.Shards != 4 || e.Seconds <= 0 || e.USD <= 0 || len(e.Segments) != 2 {
			t.Errorf("%+v for %d records of %d bytes", e, len(records), bytes)
		}
	}
}

// Rule 21 is replay's as well.
func TestReplayRefusesToStartAgainstAPolicy(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(40, embeddedkinesis.Rates{}))
	g, o := newLeads(t, 40, 5), newOracle()
	s.feed(g, o, 20)
	text := strings.Replace(s.configText(), "{id: "+leads.Newsletter+"}", "{id: "+leads.Newsletter+", labels: [C2]}", 1)
	config, err := config.Parse("site.yaml", []byte(strings.Replace(text, "activation:", "activation:\n  marketingActions: [exportToThirdParty]", 1)+
		"governance: {enabledPolicies: [core/C2-exportToThirdParty]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{false, true} {
		options := everything("forbidden")
		options.DryRun = dry
		if _, err := replay.Run(t.Context(), &config, options); !errors.Is(err, rules.ErrViolation) {
			t.Errorf("dry run %v: %v", dry, err)
		}
	}
	if len(s.embedded.History(s.name)) != 0 || len(s.offsetsOf(s.name+".replay.forbidden")) != 0 {
		t.Error("something was sent, or kept")
	}
}

func TestContractAReplayOfMembersSendsThePresentStateOfEachOnce(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(33, embeddedkinesis.Rates{})) // whose history is known
	g, err := leads.New(33, 120)
	if err != nil {
		t.Fatal(err)
	}
	newest := map[string]leads.Event{}
	var messages []kafka.Message
	for range 1500 {
		e, err := g.Next()
		if err != nil {
			t.Fatal(err)
		}
		newest[e.Key] = e
		messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: s.framed(e.Body)})
	}
	s.produce(messages...)
	wanted := map[string]int64{}
	unchanged := 0 // members whose newest event would not leave by itself
	for key, e := range newest {
		if slices.Contains(e.Inside, leads.Newsletter) {
			wanted[key] = e.Serial
			if e.Filtered != "" {
				unchanged++
			}
		}
	}
	if unchanged == 0 || len(wanted) == len(newest) {
		t.Fatalf("the events show nothing: %d of %d members, %d whose newest event does not leave", len(wanted), len(newest), unchanged)
	}
	o := everything("members")
	o.Members, o.Segment = true, leads.Newsletter
	dry := o
	dry.DryRun = true
	estimated := replayAll(t, s.config(""), dry)
	if estimated.Estimate == nil || estimated.Estimate.Records != int64(len(wanted)) || len(s.embedded.History(s.name)) != 0 {
		t.Errorf("%+v estimated, of %d members", estimated.Estimate, len(wanted))
	}
	a := replayAll(t, s.config(""), o)
	if a.Delivered != int64(len(wanted)) || a.Consumed != 1500 {
		t.Errorf("%+v, wanted %d of 1500", a, len(wanted))
	}
	for _, r := range s.embedded.History(s.name) {
		var document struct{ Loyalty struct{ Points int64 } }
		if err := json.Unmarshal(r.Data, &document); err != nil {
			t.Fatal(err)
		}
		if serial, ok := wanted[r.PartitionKey]; !ok || document.Loyalty.Points != serial {
			t.Errorf("%s left with event %d, wanted %d, %t", r.PartitionKey, document.Loyalty.Points, serial, ok)
		}
		delete(wanted, r.PartitionKey)
	}
	if len(wanted) > 0 {
		t.Errorf("%d members did not leave", len(wanted))
	}
}
