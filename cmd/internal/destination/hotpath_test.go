package destination

import (
	"reflect"
	"runtime"
	"testing"

	"kinesis-destination/.ci/bench/event"
	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// lead is the benchmark's event, and a pipeline without a consumer and a sink that
// maps a segment.
func lead(t testing.TB, number int, segment string) (*pipeline, *rules.Ruleset, schemas.Event, *consumer.Message) {
	t.Helper()
	maker, err := event.NewMaker()
	if err != nil {
		t.Fatal(err)
	}
	framed, err := maker.Make(number, 7, 1)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := schemas.Parse([]byte(event.Schema))
	if err != nil {
		t.Fatal(err)
	}
	ruleset, err := rules.New(&config.Config{Activation: transform.Activation{
		Segments: []transform.Segment{{ID: segment}}, Attributes: event.Attributes,
	}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	ruleset.Tallies = new(segments).tallied(ruleset) // as where it runs
	m := &consumer.Message{Topic: "leads", Offset: int64(number), Value: framed, Headers: []consumer.Header{{Key: "traceparent", Value: []byte("00")}}}
	return &pipeline{account: newAccount("leads")}, ruleset, schemas.Event{Schema: schema, Body: framed[5:]}, m
}

// pass takes an event as far as the sink would take it, and back.
func (p *pipeline) pass(t testing.TB, ruleset *rules.Ruleset, e schemas.Event, m *consumer.Message) {
	d, into := p.deliveries.acquire(), p.scratches.acquire()
	defer p.scratches.release(into)
	decision, err := d.evaluate(ruleset, e, rules.SourceIn(m), into)
	if err != nil {
		t.Fatal(err)
	}
	if decision.Outcome != transform.Export {
		p.account.Settled(rules.Filtered, string(decision.Reason))
		p.deliveries.release(d)
		return
	}
	p.record(t.Context(), d, m, decision.PartitionKey, decision.Data, string(decision.Reason))
	d.noted.Delivered()
	p.account.Settled(rules.Delivered, d.reason)
	p.account.Delivered(m.Time)
	p.deliveries.release(d)
}

func TestAFilteredEventAllocatesNothingAndAnExportedOneItsKey(t *testing.T) {
	if raceDetector {
		t.Skip("pools lose things on purpose under the race detector")
	}
	for name, c := range map[string]struct {
		segment string
		want    float64
	}{"filtered": {event.Nobodys, 0}, "exported": {event.Mapped, 1}} {
		p, ruleset, e, m := lead(t, 1, c.segment)
		if got := testing.AllocsPerRun(1000, func() { p.pass(t, ruleset, e, m) }); got > c.want {
			t.Errorf("%s: %v allocations, want at most %v", name, got, c.want)
		}
	}
}

func TestAPoolKeepsTheRoomOfUsualEventsAlone(t *testing.T) {
	if raceDetector {
		t.Skip("pools lose things on purpose under the race detector")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // a pool has places of each of them
	var ss scratches
	ss.release(&scratch{make([]byte, 0, keepScratch+1)})
	if s := ss.acquire(); cap(s.buffer) != firstScratch {
		t.Errorf("a buffer of %d bytes is kept", cap(s.buffer))
	}
	ss.release(&scratch{make([]byte, 0, keepScratch)})
	if s := ss.acquire(); cap(s.buffer) != keepScratch {
		t.Errorf("a buffer of %d bytes is not kept", keepScratch)
	}
}

// TestWhatWasWrittenOfADeliveredRecordIsRoomForTheNext: it would be an allocation for each.
func TestWhatWasWrittenOfADeliveredRecordIsRoomForTheNext(t *testing.T) {
	var ds deliveries
	d := ds.acquire()
	written := reflect.ValueOf(&d.record).Elem().FieldByName("written")
	reflect.NewAt(written.Type(), written.Addr().UnsafePointer()).Elem().SetBytes(make([]byte, 7, 1000))
	d.record.PartitionKey = "profile-1"
	ds.release(d)
	if d.record.PartitionKey != "" || written.Len() != 0 || written.Cap() != 1000 {
		t.Errorf("%q, %d of %d bytes", d.record.PartitionKey, written.Len(), written.Cap())
	}
}

// BenchmarkEvaluate is what an event costs from its decoding to the sink, on one
// core.
func BenchmarkEvaluate(b *testing.B) {
	for name, segment := range map[string]string{"filtered": event.Nobodys, "exported": event.Mapped} {
		b.Run(name, func(b *testing.B) {
			p, ruleset, e, m := lead(b, 1, segment)
			b.ReportAllocs()
			for b.Loop() {
				p.pass(b, ruleset, e, m)
			}
		})
	}
}
