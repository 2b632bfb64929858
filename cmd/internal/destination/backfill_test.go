package destination

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

const twoSegments = "segments: [{id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae}, {id: 7841ba61-23c1-4bb3-a495-00d3g5fe1e93}]"

// backfilling is a configuration with a backfill, of some segments.
func backfilling(segments ...string) string {
	var list []string
	for _, id := range segments {
		list = append(list, "{id: "+id+"}")
	}
	return strings.Replace(BubbleConfig, twoSegments, "segments: ["+strings.Join(list, ", ")+"]", 1) + "  backfill: {newSegments: true, since: 720h}\n"
}

func (b *bubble) startText(port int, text string) *process {
	b.t.Helper()
	config, err := config.Parse("bubble.yaml", fmt.Appendf(nil, "%sserver: {listen: \"127.0.0.1:%d\"}\n", text, port))
	if err != nil {
		b.t.Fatal(err)
	}
	return launch(b.t, config, Options{
		Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: b.network.DialContext, Listen: b.network.Listen,
	})
}

// profiles remembers each lead's newest event, and its newest that leaves once both segments are activated.
type profiles struct {
	newest map[string]leads.Event
	leaves map[string]int64
}

func newProfiles() *profiles { return &profiles{map[string]leads.Event{}, map[string]int64{}} }

func (p *profiles) add(e leads.Event) {
	p.newest[e.Key] = e
	if e.Filtered == "" {
		p.leaves[e.Key] = e.Serial
	}
}

// members are the leads that are in the newsletter's segment, and the serial of their newest event.
func (p *profiles) members() map[string]int64 {
	in := map[string]int64{}
	for key, e := range p.newest {
		if slices.Contains(e.Inside, leads.Newsletter) {
			in[key] = e.Serial
		}
	}
	return in
}

func (b *bubble) feedProfiles(g *leads.Generator, p *profiles, n int) {
	b.t.Helper()
	b.feedEach(g, n, b.schemaID, p.add)
}

// serials are the loyalty points of records, which are their events' serials, by key.
func serials(t *testing.T, records []embeddedkinesis.Record) map[string][]int64 {
	t.Helper()
	found := map[string][]int64{}
	for _, r := range records {
		var document struct{ Loyalty struct{ Points int64 } }
		if err := json.Unmarshal(r.Data, &document); err != nil {
			t.Fatal(err)
		}
		found[r.PartitionKey] = append(found[r.PartitionKey], document.Loyalty.Points)
	}
	return found
}

// backfilled waits until one of the processes says that its backfill has ended.
func (b *bubble) backfilled(processes ...*process) *replay.BackfillStatus {
	b.t.Helper()
	for range 600 {
		for _, p := range processes {
			if s := p.backfill.Status(); s != nil && !s.Ended.IsZero() {
				return s
			}
		}
		pass(time.Second)
	}
	b.t.Fatalf("no backfill ended\n%s", b.log)
	return nil
}

func TestThePresentMembersOfASegmentThatIsAddedAreExportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 4, embeddedkinesis.Options{})
		g, known := newLeads(t, 41, 100), newProfiles()
		p := b.startText(8080, backfilling(leads.HighPropensity))
		b.feedProfiles(g, known, 1000)
		b.settled(1000, time.Minute, p)
		pass(time.Minute)
		if p.backfill.Status() != nil {
			t.Fatal("a destination that is new has nothing to backfill")
		}
		p.stop(t)
		before := len(b.kinesis.History(testStream))

		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		s := b.backfilled(p)
		members := known.members()
		found := serials(t, b.kinesis.History(testStream)[before:])
		for key, serial := range members {
			if !slices.Equal(found[key], []int64{serial}) {
				t.Errorf("%s: records of the serials %v, and its newest is %d", key, found[key], serial)
			}
		}
		if len(found) != len(members) || s.Account.Delivered != int64(len(members)) || s.Account.Consumed != 1000 || !slices.Equal(s.Segments, []string{leads.Newsletter}) {
			t.Errorf("%d exported, %d are members; %+v", len(found), len(members), s)
		}
		if code, body := b.get(8080, "/status"); code != 200 || !strings.Contains(body, `"backfill"`) {
			t.Error(body)
		}
		p.stop(t)

		after := len(b.kinesis.History(testStream))
		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		pass(time.Minute)
		if sent := len(b.kinesis.History(testStream)) - after; sent != 0 || p.backfill.Status() != nil {
			t.Errorf("%d records were sent once more", sent)
		}
		p.stop(t)
		// One that was taken away and comes back is new again.
		p = b.startText(8080, backfilling(leads.HighPropensity))
		pass(time.Minute)
		p.stop(t)
		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		b.backfilled(p)
		if sent := len(b.kinesis.History(testStream)) - after; sent != len(members) {
			t.Errorf("%d records were sent, %d are members", sent, len(members))
		}
		p.stop(t)
	})
}

// Several processes share a backfill by their partitions, are ended amid it, and
// live events come all the while: no old state is the last, no member is missed.
func TestABackfillBesideLiveTrafficLeavesNoOldStateAsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 8, embeddedkinesis.Options{Seed: 42, Script: embeddedkinesis.Random(42, embeddedkinesis.Rates{Throttle: .2})})
		g, known := newLeads(t, 42, 200), newProfiles()
		p := b.startText(8080, backfilling(leads.HighPropensity))
		b.feedProfiles(g, known, 2000)
		b.settled(2000, 5*time.Minute, p)
		pass(time.Minute)
		p.stop(t)
		members := known.members()
		clear(known.leaves) // what left until here left by the old rules

		text := backfilling(leads.HighPropensity, leads.Newsletter)
		p = b.startText(8080, text)
		q := b.startText(8090, text)
		for i := range 200 {
			b.feedProfiles(g, known, 5)
			pass(100 * time.Millisecond)
			if i == 60 { // amid it
				q.stop(t)
				q = b.startText(8090, text)
			}
		}
		b.backfilled(p, q)
		pass(5 * time.Minute)
		p.stop(t)
		q.stop(t)
		t.Logf("%+v; %+v", p.backfill.Status(), q.backfill.Status())
		found := serials(t, b.kinesis.History(testStream))
		for key, e := range known.newest {
			last := int64(0)
			if n := len(found[key]); n > 0 {
				last = found[key][n-1]
			}
			if last < members[key] || last < known.leaves[key] {
				t.Errorf("%s: the last record is of serial %d; a member with %d, newest that leaves %d of %d; %v",
					key, last, members[key], known.leaves[key], e.Serial, found[key])
			}
		}
	})
}

func TestABackfillGoesNoFurtherBackThanSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		g, old, recent := newLeads(t, 43, 50), newProfiles(), newProfiles()
		p := b.startText(8080, strings.Replace(backfilling(leads.HighPropensity), "720h", "10m", 1))
		b.feedProfiles(g, old, 200)
		pass(11 * time.Minute)
		b.feedProfiles(g, recent, 30)
		b.settled(230, time.Minute, p)
		p.stop(t)
		before := len(b.kinesis.History(testStream))
		p = b.startText(8080, strings.Replace(backfilling(leads.HighPropensity, leads.Newsletter), "720h", "10m", 1))
		b.backfilled(p)
		p.stop(t)
		if found := serials(t, b.kinesis.History(testStream)[before:]); len(found) == 0 || len(found) != len(recent.members()) {
			t.Errorf("%d exported, %d members had an event since; %d in all", len(found), len(recent.members()), len(old.members()))
		}
	})
}

// Whoever sets newSegments together with a segment waited for members that never came.
func TestSegmentsThatAreNotBackfilledAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		g, known := newLeads(t, 46, 20), newProfiles()
		p := b.start(8080, "") // without a backfill
		b.feedProfiles(g, known, 100)
		b.settled(100, time.Minute, p)
		p.stop(t)
		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		pass(time.Minute)
		_, body := b.get(8080, "/status")
		var overview Overview
		if err := json.Unmarshal([]byte(body), &overview); err != nil {
			t.Fatal(err)
		}
		none := overview.Destinations[0].NoBackfill
		if none == nil || !slices.Equal(none.Segments, []string{leads.HighPropensity, leads.Newsletter}) || !strings.Contains(none.Why, "replay --latest-only") {
			t.Errorf("%+v", none)
		}
		if n := strings.Count(b.log.String(), "no backfill: "); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		p.stop(t)
		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		pass(time.Minute)
		if none := p.backfill.None(); none != nil {
			t.Errorf("it is said once more: %+v", none)
		}
		p.stop(t)
	})
}

// A segment that is added without a restart is backfilled as well, and only once
// the live export has got to where the topic ended then: nothing older follows.
func TestABackfillComesAfterTheLiveEventsThatWereThereBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listen := "server: {listen: \"127.0.0.1:8080\"}\n"
		r := startRuled(t, backfilling(leads.HighPropensity)+listen)
		g, known := newLeads(t, 44, 60), newProfiles()
		r.feedProfiles(g, known, 300)
		r.settled(300, time.Minute, r.process)
		pass(time.Minute)
		r.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
		r.feedProfiles(g, known, 300) // the live export does not get to their end
		pass(time.Minute)
		before := len(r.kinesis.History(testStream))
		status := r.reloadWith(backfilling(leads.HighPropensity, leads.Newsletter) + listen)
		if status.Refused != nil {
			t.Fatal(status.Refused)
		}
		pass(time.Minute)
		r.feedProfiles(g, known, 100) // of these the live export sends what leaves; the others may be newer states of members
		pass(time.Minute)
		if b := r.backfill.Status(); b == nil || !strings.Contains(b.Waiting, "live events") || b.Account.Consumed != 0 {
			t.Errorf("it does not wait: %+v", b)
		}
		r.kinesis.SetScript(nil)
		s := r.backfilled(r.process)
		members := known.members()
		found := serials(t, r.kinesis.History(testStream)[before:])
		for key, serial := range members {
			if n := len(found[key]); n == 0 || found[key][n-1] != serial || !slices.IsSorted(found[key]) {
				t.Errorf("%s: records of the serials %v, and its newest is %d", key, found[key], serial)
			}
		}
		if s.Account.Delivered == 0 || s.Account.Delivered > int64(len(members)) {
			t.Errorf("%d are members: %+v", len(members), s.Account)
		}
	})
}

// TestABackfillGoesOnBehindWhatRetentionTook: its range began where the topic did, and by now
// the topic begins later.
func TestABackfillGoesOnBehindWhatRetentionTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		g, old, recent := newLeads(t, 47, 50), newProfiles(), newProfiles()
		p := b.startText(8080, backfilling(leads.HighPropensity))
		b.feedProfiles(g, old, 200)
		b.feedProfiles(g, recent, 100)
		b.settled(300, time.Minute, p)
		pass(time.Minute)
		p.stop(t)
		b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "InternalFailure"}
		})
		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		pass(time.Minute)
		if s := p.backfill.Status(); s == nil || !s.Ended.IsZero() {
			t.Fatalf("it is not under way: %+v", s)
		}
		p.stop(t)
		if err := consumer.Erase(t.Context(), b.transport, kafka.TCP("127.0.0.1:9092"), testTopic, 0, 200); err != nil {
			t.Fatal(err)
		}
		b.kinesis.SetScript(nil)
		before := len(b.kinesis.History(testStream))
		p = b.startText(8080, backfilling(leads.HighPropensity, leads.Newsletter))
		b.backfilled(p)
		p.stop(t)
		found := serials(t, b.kinesis.History(testStream)[before:])
		for key, serial := range recent.members() {
			if n := len(found[key]); n == 0 || found[key][n-1] != serial {
				t.Errorf("%s: records of the serials %v, and its newest is %d", key, found[key], serial)
			}
		}
		if log := b.log.String(); !strings.Contains(log, "retention took what was to be read") {
			t.Error("the log does not say that some is gone")
		}
	})
}
