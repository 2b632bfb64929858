package sources

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"kinesis-destination/consumer"
	"kinesis-destination/schemas"
)

func TestMaskShowsTheFormAlone(t *testing.T) {
	for text, want := range map[string]string{
		"ada@example.com": "xxx@xxxxxxx.xxx", "+34 600-123": "+99 999-999", "": "", "李明": "xx", "\u202eabc<b>": "xxxx<x>",
		strings.Repeat("a", 100): strings.Repeat("x", longestMask) + "…",
	} {
		if got := Mask(text); got != want {
			t.Errorf("%q: %q, wanted %q", text, got, want)
		}
	}
}

func parse(t *testing.T, attributes string) *schemas.Schema {
	t.Helper()
	s, err := schemas.Parse([]byte(`{"type":"record","name":"E","fields":[{"name":"id","type":"string"},{"name":"attributes","type":` + attributes + `},
		{"name":"segmentMembership","type":{"type":"map","values":{"type":"map","values":{"type":"record","name":"M","fields":[{"name":"status","type":"string"}]}}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASampleCountsFieldsThatHaveAValueAndSegments(t *testing.T) {
	schema := parse(t, `{"type":"record","name":"P","fields":[{"name":"a","type":["null",{"type":"record","name":"Q","fields":[{"name":"b","type":["null","string"],"labels":["I1"]},{"name":"c","type":"long"}]}]},{"name":"list","type":{"type":"array","items":"string"}}]}`)
	s := &Sample{Segments: map[string]SeenSegment{}, Fields: map[string]SeenField{}}
	for i, text := range []string{
		`{"id":"1","attributes":{"a":{"Q":{"b":{"string":"Ada 1815"},"c":42}},"list":["x"]},"segmentMembership":{"ups":{"s1":{"status":"realized"},"s2":{"status":"exited"}}}}`,
		`{"id":"2","attributes":{"a":{"Q":{"b":null,"c":7}},"list":[]},"segmentMembership":{"ups":{"s1":{"status":"existing"}},"other":{}}}`,
		`{"id":"3","attributes":{"a":null,"list":[]},"segmentMembership":{}}`,
	} {
		body, err := schema.EncodeJSON([]byte(text))
		if err != nil {
			t.Fatal(i, err)
		}
		if !s.count(schemas.Event{Schema: schema, Body: body}) {
			t.Errorf("event %d was not counted", i)
		}
		if s.count(schemas.Event{Schema: schema, Body: body[:len(body)-1]}) {
			t.Errorf("event %d was counted without its end", i)
		}
	}
	if got := fmt.Sprint(s.Segments); got != "map[s1:{2 0} s2:{0 1}]" {
		t.Errorf("segments: %s", got)
	}
	if got := fmt.Sprint(s.Fields); got != "map[a:{2 } a.b:{1 xxx 9999} a.c:{2 99} list:{3 […]}]" {
		t.Errorf("fields: %s", got)
	}
	source := &Source{FieldLabels: map[string][]string{"a.c": {"C1"}}}
	list, more := source.Fields([]*schemas.Schema{schema, schema})
	if got := fmt.Sprint(list, more); got != "[{a record [] true false} {a.b string [I1] false false} {a.c long [C1] false false} {list array [] false true}] false" {
		t.Errorf("the fields are %s", got)
	}
}

// A schema that holds itself, or more fields than anyone can count, is listed to a bound.
func TestTheFieldsOfAHostileSchemaEnd(t *testing.T) {
	recursive := parse(t, `{"type":"record","name":"P","fields":[{"name":"p","type":["null","P"]},{"name":"q","type":["null","P"]}]}`)
	if list, more := (&Source{}).Fields([]*schemas.Schema{recursive}); len(list) > mostFields || !more {
		t.Errorf("%d fields, more %v", len(list), more)
	}
	inner := `{"type":"record","name":"R0","fields":[]}`
	for i := 1; i < 20; i++ {
		inner = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"x","type":%s},{"name":"y","type":"R%d"},{"name":"z","type":"R%[3]d"}]}`, i, inner, i-1)
	}
	hollow := parse(t, inner)
	if list, _ := (&Source{}).Fields([]*schemas.Schema{hollow}); len(list) > mostFields {
		t.Errorf("%d fields", len(list))
	}
	body := []byte("\x021\x00") // the id, no byte of the attributes, no segments
	s := &Sample{Segments: map[string]SeenSegment{}, Fields: map[string]SeenField{}}
	if !s.count(schemas.Event{Schema: hollow, Body: body}) {
		t.Error("the event was not counted")
	}
	if len(s.Fields) == 0 || len(s.Fields) > mostVisits {
		t.Errorf("%d fields of one event", len(s.Fields))
	}
}

func TestTheNewestEventsOfPartitionsThatAreSpreadAreLookedAt(t *testing.T) {
	var ranges []consumer.Range
	for i := range 1000 {
		ranges = append(ranges, consumer.Range{Topic: "t", Partition: i, From: 0, To: int64(i)})
	}
	chosen := newest(ranges)
	if len(chosen) != samplePartitions {
		t.Errorf("%d partitions", len(chosen))
	}
	events := int64(0)
	for _, r := range chosen {
		events += r.To - r.From
	}
	if events > sampleEvents || chosen[len(chosen)-1].Partition < 900 || newest(nil) != nil {
		t.Errorf("%d events, to partition %d", events, chosen[len(chosen)-1].Partition)
	}
}

// Kafka that does not answer is not asked again by each who looks, and whoever waits may
// go.
func TestASampleThatCannotBeTakenIsNotTriedByEach(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	source := &Source{Name: "away", Kafka: consumer.Config{Brokers: []string{address}, Topic: "t"}, Config: schemas.Config{SchemaFile: "testdata/none.avsc"}}
	s := &Sampler{}
	if _, err := s.Newest(t.Context(), source); err == nil {
		t.Fatal("a sample was taken")
	}
	first := s.sources[source].tried
	if _, err := s.Newest(t.Context(), source); err == nil || s.sources[source].tried != first {
		t.Error("it was tried again at once")
	}
	s.sources[source].turn <- struct{}{}
	gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Newest(gone, source); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who has gone is told %v", err)
	}
}
