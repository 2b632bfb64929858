package destination

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// feed makes n events up, writes them and tells the oracle.
func (b *bubble) feed(g *leads.Generator, o *oracle, n int) {
	b.t.Helper()
	b.feedEach(g, n, b.schemaID, o.add)
}

// feedEach makes n events up, tells of each, and writes them by a schema.
func (b *bubble) feedEach(g *leads.Generator, n, schemaID int, tell func(leads.Event)) {
	b.t.Helper()
	var messages []kafka.Message
	for range n {
		e, err := g.Next()
		if err != nil {
			b.t.Fatal(err)
		}
		tell(e)
		messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, schemaID), e.Body...)})
	}
	b.produce(messages...)
}

func newLeads(t *testing.T, seed uint64, n int) *leads.Generator {
	t.Helper()
	g, err := leads.New(seed, n)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestPipelineKeepsOrderAndLosesNothingUnderEveryFault(t *testing.T) {
	for range 2 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			b := newBubble(t, 6, embeddedkinesis.Options{
				Seed: seed, AccessKeyID: "test",
				Script: embeddedkinesis.Random(seed, embeddedkinesis.Rates{
					Throttle: .05, Internal: .02, CallFails: .03, LostBefore: .03, LostAfter: .03,
				}),
			})
			g, o := newLeads(t, seed, 60), newOracle()
			first := b.start(8080, "")
			b.feed(g, o, 600)
			pass(2 * time.Second)
			second := b.start(8181, "") // a member joins amid the load
			b.feed(g, o, 600)
			pass(5 * time.Second)
			first.stop(t) // and the other one leaves
			b.feed(g, o, 600)
			second.stop(t)
			third := b.start(8080, "")
			b.settled(o.total, 10*time.Minute, first, second, third)
			third.stop(t)

			v := o.judge(b.kinesis.History(testStream))
			counters := b.kinesis.Counters()
			t.Logf("%+v, faults %v", v, counters)
			if v.lost+v.reordered+v.unexpected > 0 {
				t.Errorf("seed %d: %+v", seed, v)
			}
			if allowed := counters["drop-after"] * 600; v.duplicates > allowed {
				t.Errorf("seed %d: %d duplicates with %d answers lost", seed, v.duplicates, counters["drop-after"])
			}
			for _, fault := range []string{"drop-before", "drop-after", "InternalFailure", "ProvisionedThroughputExceededException"} {
				if counters[fault] == 0 {
					t.Errorf("seed %d: no %s was injected, so nothing was shown", seed, fault)
				}
			}
		})
	}
}

func TestACleanHandOverRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := embeddedkinesis.Random(7, embeddedkinesis.Rates{Throttle: .02})
		var calls atomic.Int64
		b := newBubble(t, 6, embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			action := throttle(c)
			// Slow enough that calls are under way whenever a member joins or leaves.
			action.Delay = time.Duration(calls.Add(1)%7) * 200 * time.Millisecond
			return action
		}})
		g, o := newLeads(t, 7, 60), newOracle()
		processes := []*process{b.start(8080, "")}
		for port := 8090; port < 8093; port++ {
			b.feed(g, o, 400)
			processes = append(processes, b.start(port, ""))
			b.feed(g, o, 400)
			pass(4 * time.Second)
			processes[len(processes)-2].stop(t)
		}
		b.settled(o.total, time.Minute, processes...)
		processes[len(processes)-1].stop(t)
		if v := o.judge(b.kinesis.History(testStream)); v != (verdict{}) {
			t.Errorf("%+v\n%s", v, b.log)
		}
		var filtered int64
		for _, p := range processes {
			a := p.Account()
			filtered += sum(a.Filtered)
			if a.Unaccounted() != 0 {
				t.Errorf("%d events unaccounted for after a clean end: %+v", a.Unaccounted(), a)
			}
		}
		if filtered != sum(o.filtered) {
			t.Errorf("filtered %d, expected %d", filtered, sum(o.filtered))
		}
	})
}

func TestPoisonGoesToTheDeadLetterTopicAndTheRestGoesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 3, embeddedkinesis.Options{})
		incomplete := b.registry.Register("other-value", `{"type": "record", "name": "Other", "fields": [{"name": "profileId", "type": "string"}]}`)
		oversize := exampleWith(t, exampleEmail, strings.Repeat("x", 1<<20))
		good := exampleWith(t, exampleEmail, exampleEmail)
		framed := func(id int, body []byte) []byte { return append(schemas.AppendFrame(nil, id), body...) }
		header := kafka.Header{Key: "traceparent", Value: []byte("00-abc")}
		poison := map[string][]byte{
			rules.ReasonUnknownSchema: framed(4242, good),
			rules.ReasonMalformed:     framed(b.schemaID, good[:len(good)/2]),
			"missing-part":            framed(incomplete, []byte{2, 'x'}),
			"record-too-large":        framed(b.schemaID, oversize),
		}
		stages := map[string]string{rules.ReasonUnknownSchema: "decode", rules.ReasonMalformed: "decode", "missing-part": "transform", "record-too-large": "sink"}
		for reason, value := range poison {
			b.produce(kafka.Message{Key: []byte("k-" + reason), Value: framed(b.schemaID, good)},
				kafka.Message{Key: []byte("k-" + reason), Value: value, Headers: []kafka.Header{header}},
				kafka.Message{Key: []byte("k-" + reason), Value: framed(b.schemaID, good)})
		}
		b.produce(kafka.Message{Key: []byte("gone")})
		p := b.start(8080, "")
		b.settled(int64(3*len(poison)+1), time.Minute, p)
		account := p.Account()
		p.stop(t)
		if account.Delivered != int64(2*len(poison)) || account.Filtered[rules.ReasonTombstone] != 1 {
			t.Errorf("account %+v", account)
		}
		letters := b.letters()
		if len(letters) != len(poison) {
			t.Fatalf("%d dead letters, expected %d", len(letters), len(poison))
		}
		for _, l := range letters {
			h := map[string]string{}
			for _, header := range l.Headers {
				h[header.Key] = string(header.Value)
			}
			reason := h["x-reason"]
			if value, ok := poison[reason]; !ok || string(l.Value) != string(value) || string(l.Key) != "k-"+reason {
				t.Errorf("letter %v: key or value is not that of the message", h)
			}
			if l.Headers[0].Key != "traceparent" || string(l.Headers[0].Value) != "00-abc" {
				t.Errorf("%s: the message's own headers are not first and unchanged", reason)
			}
			if h["x-stage"] != stages[reason] || h["x-destination"] != "leads" || h["kafka_dlt-original-topic"] != testTopic ||
				h["kafka_dlt-original-consumer-group"] != "leads" || h["kafka_dlt-exception-message"] == "" || h["x-attempts"] == "" || h["x-failed-at"] == "" {
				t.Errorf("%s: headers %v", reason, h)
			}
			if p := h["kafka_dlt-original-partition"]; len(p) != 4 || int(binary.BigEndian.Uint32([]byte(p))) != l.Partition {
				t.Errorf("%s: original partition %q, letter in %d", reason, p, l.Partition)
			}
			if len(h["kafka_dlt-original-offset"]) != 8 || len(h["kafka_dlt-original-timestamp"]) != 8 {
				t.Errorf("%s: offset or timestamp is not 8 bytes", reason)
			}
			if strings.Contains(h["kafka_dlt-exception-message"], "adobe") || strings.Contains(h["kafka_dlt-exception-message"], "lead-4711") {
				t.Errorf("%s: the message holds an attribute or identity", reason)
			}
		}
		if strings.Contains(b.log.String(), "yourstruly") || strings.Contains(b.log.String(), "lead-4711") {
			t.Error("the log holds an attribute or identity")
		}
	})
}

func TestTheContractsMetricsAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{Script: embeddedkinesis.Random(5, embeddedkinesis.Rates{Throttle: .2})})
		g, o := newLeads(t, 5, 20), newOracle()
		b.feed(g, o, 300)
		p := b.start(8080, "")
		b.settled(o.total, time.Minute, p)
		pass(3 * time.Second)
		_, metrics := b.get(8080, "/metrics")
		for _, want := range []string{
			`kafka_consumergroup_lag{consumergroup="leads",partition="0",topic="segment-evaluations"} 0`,
			`kinesis_destination_lag_seconds{destination="leads",partition="1",topic="segment-evaluations"} 0`,
			`kinesis_destination_events_total{destination="leads",outcome="delivered",reason=""}`,
			`kinesis_destination_events_total{destination="leads",outcome="filtered",reason="unmapped-segment"}`,
			`kinesis_destination_events_consumed_total{destination="leads"} 300`,
			`kinesis_destination_in_flight{destination="leads"} 0`,
			`kinesis_destination_put_records_total{destination="leads",result=`,
			`kinesis_destination_retries_total{destination="leads",reason=`,
			`kinesis_destination_end_to_end_seconds_count{destination="leads"}`,
		} {
			if !strings.Contains(metrics, want) {
				t.Errorf("no %s", want)
			}
		}
		b.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Code: "AccessDeniedException"}
		})
		b.feed(g, o, 50)
		pass(10 * time.Minute)
		_, metrics = b.get(8080, "/metrics")
		if !strings.Contains(metrics, `kinesis_destination_held_partitions{destination="leads",reason="access-denied"} 2`) {
			t.Error("the held partitions are not shown")
		}
		lines := strings.Split(metrics, "\n")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "kinesis_destination_lag_seconds") })
		if i < 0 || strings.HasSuffix(lines[i], " 0") {
			t.Error("the age of the oldest event does not grow while it is held")
		}
		b.kinesis.SetScript(nil)
		p.stop(t)
	})
}
