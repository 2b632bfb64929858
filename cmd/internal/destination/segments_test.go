package destination

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-destination/.ci/bench/event"
	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/sink/embeddedkinesis"
	"kinesis-destination/transform"
)

// activated is a version of the rules.
func activated(t testing.TB, version int, ids ...string) *rules.Ruleset {
	t.Helper()
	var list []transform.Segment
	for _, id := range ids {
		list = append(list, transform.Segment{ID: id})
	}
	r, err := rules.New(&config.Config{Activation: transform.Activation{Segments: list, Attributes: event.Attributes}}, version)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counted are the series of a destination's segments.
func counted(t testing.TB, s *segments) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newSegmentCollector("leads", s))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "kinesis_destination_")
			for _, l := range m.GetLabel() {
				if l.GetName() != "destination" {
					name += " " + l.GetValue()
				}
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

func TestARecordCountsForItsActivatedSegmentsOnceItIsDelivered(t *testing.T) {
	p, _, e, m := lead(t, 1, event.Mapped)
	s := &segments{}
	ruleset := activated(t, 1, event.Mapped, event.Nobodys)
	ruleset.Tallies = s.tallied(ruleset)
	s.begin(ruleset, 0, time.Now())
	d := p.deliveries.acquire()
	decision, err := d.evaluate(ruleset, e, rules.SourceIn(m), p.scratches.acquire())
	if err != nil || decision.Outcome != transform.Export {
		t.Fatal(decision, err)
	}
	p.record(t.Context(), d, m, decision.PartitionKey, decision.Data, string(decision.Reason))
	if by := s.exported(); len(by) != 0 {
		t.Fatalf("it is counted before it is delivered: %v", by)
	}
	next := activated(t, 2, event.Nobodys) // what is under way counts for the version that judged it
	next.Tallies = s.tallied(next)
	s.begin(next, 1, time.Now())
	d.noted.Delivered()
	p.deliveries.release(d)
	if by := s.exported(); by[event.Mapped] != 1 || len(by) != 1 {
		t.Errorf("%v", by)
	}
	series := counted(t, s)
	if n, there := series["segment_exports_total "+event.Nobodys+" realized"]; n != 0 || !there || len(series) != 3 {
		t.Errorf("%v", series)
	}
	if list := s.list(); len(list) != 1 || list[0].ID != event.Nobodys || list[0].Listed || len(list[0].Exported) != 0 {
		t.Errorf("%+v", list)
	}
}

// TestWhatIsCountedForSegmentsIsWhatTheStreamHolds: through the whole pipeline.
func TestWhatIsCountedForSegmentsIsWhatTheStreamHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{Seed: 1, AccessKeyID: "test"})
		g, o := newLeads(t, 1, 40), newOracle()
		p := b.start(8080, "")
		b.feed(g, o, 300)
		b.settled(o.total, time.Minute, p)
		_, text := b.get(8080, "/status")
		_, metrics := b.get(8080, "/metrics")
		p.stop(t)
		var status Overview
		if err := json.Unmarshal([]byte(text), &status); err != nil {
			t.Fatal(err)
		}
		held := map[string]int64{}
		for _, r := range b.kinesis.History(testStream) {
			var document struct {
				SegmentMembership map[string]map[string]struct{ Status string }
			}
			if err := json.Unmarshal(r.Data, &document); err != nil {
				t.Fatal(err)
			}
			for _, of := range document.SegmentMembership {
				for id, entry := range of {
					held[id+" "+entry.Status]++
				}
			}
		}
		n := 0
		for _, s := range status.Destinations[0].Segments {
			for kind, count := range s.Exported {
				if n++; held[s.ID+" "+kind] != count {
					t.Errorf("%s %s: %d are counted, the stream has %d", s.ID, kind, count, held[s.ID+" "+kind])
				}
				if line := fmt.Sprintf(`segment=%q,status=%q} %d`, s.ID, kind, count); !strings.Contains(metrics, line) {
					t.Errorf("no %s in the metrics", line)
				}
			}
			if !s.Listed {
				t.Errorf("%s was not listed", s.ID)
			}
		}
		if n < 2 || len(p.Account().Segments) == 0 {
			t.Errorf("%d counts: %s", n, text)
		}
	})
}

func TestASegmentThatNoEventHasListedIsToldOnceAfterAFairTimeWithEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &segments{log: slog.New(slog.NewTextHandler(&out, nil))}
		var ids []string
		for i := range 2 * namedSegments {
			ids = append(ids, fmt.Sprintf("%s-%d", event.Nobodys, i))
		}
		ruleset := activated(t, 1, append(ids, event.Mapped)...)
		ruleset.Tallies = s.tallied(ruleset)
		s.begin(ruleset, 0, time.Now())
		_, _, e, m := lead(t, 1, event.Mapped)
		if _, err := (&delivery{}).evaluate(ruleset, e, rules.SourceIn(m), new(scratch)); err != nil {
			t.Fatal(err)
		}
		s.look(unlistedEvents, time.Now())
		time.Sleep(unlistedAfter)
		s.look(unlistedEvents-1, time.Now())
		if out.Len() > 0 || counted(t, s)["unlisted_segments"] != 0 {
			t.Fatalf("told too soon: %s", out.String())
		}
		for range 3 {
			s.look(unlistedEvents, time.Now())
		}
		if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") || !strings.Contains(text, ids[0]) ||
			strings.Contains(text, ids[namedSegments]) || strings.Contains(text, event.Mapped) || !strings.Contains(text, "count=20") {
			t.Errorf("%s", text)
		}
		if n := counted(t, s)["unlisted_segments"]; n != float64(len(ids)) {
			t.Errorf("%v segments are unlisted", n)
		}
		next := activated(t, 2, event.Mapped)
		next.Tallies = s.tallied(next)
		s.begin(next, unlistedEvents, time.Now())
		time.Sleep(unlistedAfter)
		s.look(2*unlistedEvents, time.Now())
		if strings.Count(out.String(), "\n") != 1 || counted(t, s)["unlisted_segments"] != 0 {
			t.Errorf("what is listed, and was before, is unlisted after a change: %s", out.String())
		}
	})
}

func TestSegmentsThatAreActivatedNoMoreAreLetGoOfAtABound(t *testing.T) {
	s := &segments{}
	for version := range 8 {
		var ids []string
		for i := range maxTallies / 4 {
			ids = append(ids, fmt.Sprintf("%d-%d", version, i))
		}
		next := activated(t, version, ids...)
		if next.Tallies = s.tallied(next); len(next.Tallies) != len(ids) || len(s.tallies) > maxTallies {
			t.Fatalf("%d of %d, %d are kept", len(next.Tallies), len(ids), len(s.tallies))
		}
		if version%2 == 0 {
			s.begin(next, 0, time.Now())
		}
		s.look(unlistedEvents, time.Now().Add(unlistedAfter)) // also where the version was refused
	}
}
