package transform

import (
	"testing"

	"github.com/linkedin/goavro/v2"

	"kinesis-destination/.ci/bench/event"
	"kinesis-destination/schemas"
)

// The budget on the contract's example: 1.5 µs and one allocation an exported event, 0.3 µs and none a filtered one.

func BenchmarkExported(b *testing.B) {
	benchmarkApply(b, exampleConfig(), Export)
}

func BenchmarkFiltered(b *testing.B) {
	config := exampleConfig()
	config.Activation.Segments = []Segment{{ID: "another"}}
	benchmarkApply(b, config, Filter)
}

func benchmarkApply(b *testing.B, config Config, want Outcome) {
	s := mustSchema(b, schemas.SegmentEvaluation)
	plan, event := mustPlan(b, config, s), mustEvent(b, s, exampleEvent)
	buffer := make([]byte, 0, 4096)
	b.SetBytes(int64(len(event.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if d, err := plan.Apply(buffer, event, Source{}); err != nil || d.Outcome != want {
			b.Fatal(d.Outcome, err)
		}
	}
}

// BenchmarkGoavroMaps is what the same event costs when it is decoded to maps, before anything is done with it.
func BenchmarkGoavroMaps(b *testing.B) {
	s := mustSchema(b, schemas.SegmentEvaluation)
	event := mustEvent(b, s, exampleEvent)
	codec, err := goavro.NewCodec(string(schemas.SegmentEvaluation))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(event.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := codec.NativeFromBinary(event.Body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLead is the benchmark's event of 1 KB with sixteen mapped attributes, as make bench-pipeline has it: many
// different ones, so that nothing is guessed right because it was the same the last time.
func BenchmarkLead(b *testing.B) {
	maker, err := event.NewMaker()
	if err != nil {
		b.Fatal(err)
	}
	var bodies [1000][]byte
	for i := range bodies {
		framed, err := maker.Make(i, i*31, int64(i))
		if err != nil {
			b.Fatal(err)
		}
		bodies[i] = framed[5:]
	}
	s := mustSchema(b, []byte(event.Schema))
	for _, c := range []struct {
		name     string
		segments []Segment
	}{{"exported", []Segment{{ID: event.Mapped}, {ID: event.AlsoMapped}}}, {"filtered", []Segment{{ID: event.Nobodys}}}} {
		b.Run(c.name, func(b *testing.B) {
			config := exampleConfig()
			config.Activation.Segments, config.Activation.Attributes = c.segments, event.Attributes
			plan := mustPlan(b, config, s)
			buffer := make([]byte, 0, 4096)
			b.SetBytes(int64(len(bodies[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := plan.Apply(buffer, schemas.Event{Schema: s, Body: bodies[i%len(bodies)]}, Source{Topic: "t"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
