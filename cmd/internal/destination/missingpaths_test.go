package destination

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// TestAMappedPathThatNoSchemaHasIsTold: records left without it, and nothing said so.
func TestAMappedPathThatNoSchemaHasIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const known = "[person.email, loyalty.points]"
		r := startRuled(t, strings.Replace(BubbleConfig, known, "[person.email, person.emial, loyalty.tier2]", 1)+"server: {listen: \"127.0.0.1:8080\"}\n")
		g, o := newLeads(t, 11, 30), newOracle()
		r.feed(g, o, 100)
		r.settled(o.total, time.Minute, r.process)

		told := func(want ...string) {
			t.Helper()
			if s := r.status(); !slices.Equal(s.MissingPaths, want) {
				t.Errorf("/status has %v, not %v", s.MissingPaths, want)
			}
			line := `kinesis_destination_missing_paths{destination="leads"} ` + []string{"0", "1", "2"}[len(want)]
			if _, metrics := r.get(8080, "/metrics"); !strings.Contains(metrics, line+"\n") {
				t.Errorf("the metrics have no %s", line)
			}
		}
		told("person.emial", "loyalty.tier2")
		if n := r.log.Count("level=WARN"); n != 2 || r.log.Count("person.emial (did you mean person.email?)") != 1 || r.log.Count("activation.attributes[2]") != 1 {
			t.Errorf("%d warnings:\n%s", n, r.log)
		}

		// A producer whose schema has one of them.
		text := strings.Replace(string(schemas.SegmentEvaluation), `"name": "joinedAt"`, `"name": "tier2"`, 1)
		if text == string(schemas.SegmentEvaluation) {
			t.Fatal("the schema has no loyalty.joinedAt")
		}
		second := r.registry.Register(testTopic+"-value", text)
		r.feedEach(g, 50, second, o.add)
		r.settled(o.total, time.Minute, r.process)
		told("person.emial")

		r.reloadWith(strings.Replace(BubbleConfig, known, "[person.email]", 1) + "server: {listen: \"127.0.0.1:8080\"}\n")
		told()
		if n := r.log.Count("level=WARN"); n != 2 {
			t.Errorf("%d warnings:\n%s", n, r.log)
		}
		r.stop(t)
	})
}

// TestAPathOfTheSchemasOfLaterIsToldWhenTheFirstEventComes: the registry was away at the start.
func TestAPathOfTheSchemasOfLaterIsToldWhenTheFirstEventComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{})
		b.registry.SetStatus(503)
		config := b.config("")
		config.Activation.Attributes = []string{"person.emial"}
		p := launch(t, config, Options{Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: b.network.DialContext, Listen: b.network.Listen})
		if s := p.status(); len(s.MissingPaths) != 0 {
			t.Errorf("%v, and no schema is known", s.MissingPaths)
		}
		b.registry.SetStatus(0)
		g, o := newLeads(t, 12, 30), newOracle()
		b.feed(g, o, 100)
		b.settled(o.total, 5*time.Minute, p)
		if s := p.status(); !slices.Equal(s.MissingPaths, []string{"person.emial"}) || b.log.Count("person.emial (did you mean person.email?)") != 1 {
			t.Errorf("%v:\n%s", s.MissingPaths, b.log)
		}
		p.stop(t)
	})
}
