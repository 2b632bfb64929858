package destination

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas"
	"kinesis-destination/sink"
	"kinesis-destination/sink/embeddedkinesis"
)

// exampleEmail is a text that the contract's example has once.
const exampleEmail = "yourstruly@adobe.con"

// exampleWith is the contract's example in Avro, with a text of it replaced.
func exampleWith(t testing.TB, old, with string) []byte {
	t.Helper()
	schema, err := schemas.Parse(schemas.SegmentEvaluation)
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../kinesis-destination/testdata/white-paper-lead.event.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(example), old) {
		t.Fatalf("the example has no %s", old)
	}
	body, err := schema.EncodeJSON([]byte(strings.ReplaceAll(string(example), old, with)))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// An event is not to pay for a large one that came before it.
func TestAnEventCostsNoMoreAfterALargeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		b.kinesis.Create(embeddedkinesis.Stream{Name: testStream, Shards: 1, MaxRecordBytes: 10 << 20})
		large := exampleWith(t, exampleEmail, strings.Repeat("x", 1<<20))
		p := b.start(8080, "")
		b.produce(kafka.Message{Key: []byte("large"), Value: append(schemas.AppendFrame(nil, b.schemaID), large...)})
		b.settled(1, time.Minute, p)
		g, o := newLeads(t, 31, 50), newOracle()
		const events = 500
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		b.feed(g, o, events)
		b.settled(1+events, time.Minute, p)
		runtime.ReadMemStats(&after)
		p.stop(t)
		// The servers of the bubble and the making up of the events are in it too.
		if cost := (after.TotalAlloc - before.TotalAlloc) / events; cost > 512<<10 {
			t.Errorf("an event of less than 1 KB costs %d KiB of memory after one of 1 MiB", cost>>10)
		} else {
			t.Logf("an event costs %d KiB, with all that the test does for it", cost>>10)
		}
		records := b.kinesis.History(testStream)
		if len(records[0].Data) < 1<<20 || strings.Count(string(records[0].Data), "x") < 1<<20 {
			t.Error("a later event wrote over the large record")
		}
		if v := o.judge(records[1:]); v != (verdict{}) {
			t.Errorf("%+v", v)
		}
	})
}

// TestALargeDocumentIsTheSinks: what the sink keeps without a copy, no later event writes over while it waits.
func TestALargeDocumentIsTheSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{Script: func(c embeddedkinesis.Call) embeddedkinesis.Action {
			if c.Operation == "PutRecords" {
				return embeddedkinesis.Action{Delay: time.Second} // so that the others of the identity wait
			}
			return embeddedkinesis.Action{}
		}})
		const events = 20
		mark := func(n int) string { return strings.Repeat(string(rune('a'+n)), sink.CopiedAtMost*5/4) }
		for n := range events {
			event := exampleWith(t, exampleEmail, mark(n))
			b.produce(kafka.Message{Key: []byte("one"), Value: append(schemas.AppendFrame(nil, b.schemaID), event...)})
		}
		p := b.start(8080, "")
		b.settled(events, time.Minute, p)
		p.stop(t)
		for n, r := range b.kinesis.History(testStream) {
			if !strings.Contains(string(r.Data), mark(n)) {
				t.Errorf("record %d is not that of its event", n)
			}
		}
	})
}
