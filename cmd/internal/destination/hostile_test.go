package destination

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/deadletter"
)

// hostileKey begins the identities of hostile events, which no oracle knows of.
const hostileKey = "hostile-"

// hostile writes what does harm.
type hostile struct {
	site     *site
	registry *hostileRegistry
	ids      map[string]int
	n        int // keys given out
	sent     int // messages of the source topic
	bombs    hostileSizes
}

// hostileSizes are how large the large ones are.
type hostileSizes struct{ bomb, headers, tombstones, keyed, schemas int }

// newHostile sends as much as is promised to real servers, and beyond each of the
// consumer's bounds to the embedded ones, which share the cores with the race detector.
func newHostile(s *site, registry *hostileRegistry) *hostile {
	h := &hostile{site: s, registry: registry, ids: map[string]int{}, bombs: hostileSizes{48 << 20, 200_000, 100_000, 10_000, 40}}
	if s.real {
		h.bombs = hostileSizes{150 << 20, 4_000_000, 1_000_000, 40_000, 300}
	}
	registry.id.Store(1_000_000)
	return h
}

// sendBombs sends once what is small and becomes large.
func (h *hostile) sendBombs() {
	size := h.bombs
	h.produce(compress.Zstd, h.record(make([]byte, size.bomb)))
	h.produce(compress.Gzip, h.record(make([]byte, size.bomb*3/4)))
	h.produce(compress.Snappy, h.record(make([]byte, 8<<20)), h.record(make([]byte, 8<<20)))
	h.produce(compress.Zstd, h.record(nil, make([]protocol.Header, size.headers)...))
	h.produce(compress.Zstd, h.record([]byte("many"), h.manyHeaders(9_999)...))
	h.produce(compress.Zstd, many(size.tombstones, func(int) protocol.Record { return protocol.Record{} })...)
	h.produce(compress.Lz4, many(size.keyed, func(i int) protocol.Record {
		return protocol.Record{Key: protocol.NewBytes(fmt.Appendf(nil, hostileKey+"%08d", i))}
	})...)
}

// sendSmall sends everything else.
func (h *hostile) sendSmall() {
	h.produce(0, h.schemaBombs()...)
	h.produce(0, h.manySchemas()...)
	h.produce(0, h.forgeries()...)
	h.produce(0, h.garbage()...)
	h.produce(0, h.huge("decimals", `{"type":"array","items":{"type":"bytes","logicalType":"decimal","precision":1000,"scale":1000}}`, []byte{2, 1}))
	h.produce(0, h.huge("booleans", `{"type":"array","items":{"type":"record","name":"B","fields":[{"name":"hasOptedInToThisThing","type":"boolean"}]}}`, []byte{1}))
	h.produce(0, h.record(h.framed("digits", evaluation(record("Digits", `{"type":"bytes","logicalType":"decimal","precision":2000000}`)),
		exportedBody(append(binary.AppendVarint(nil, 900_000), bytes.Repeat([]byte{0x7f}, 900_000)...)))))
	for _, name := range []string{"traceparent", "tracestate", "baggage"} {
		h.produce(0, h.record([]byte("traced"), protocol.Header{Key: name, Value: []byte(strings.Repeat("0", 900<<10))}))
	}
	h.produce(0, h.record(h.site.framed(nil), protocol.Header{Key: strings.Repeat("n", 500<<10)}))
}

func many(n int, each func(int) protocol.Record) []protocol.Record {
	all := make([]protocol.Record, n)
	for i := range all {
		all[i] = each(i)
	}
	return all
}

func (h *hostile) manyHeaders(n int) []protocol.Header {
	headers := make([]protocol.Header, n)
	for i := range headers {
		headers[i] = protocol.Header{Key: deadletter.HeaderDestination, Value: []byte(h.site.name)}
	}
	return headers
}

func (h *hostile) record(value []byte, headers ...protocol.Header) protocol.Record {
	h.n++
	r := protocol.Record{Time: time.Now(), Key: protocol.NewBytes(fmt.Appendf(nil, hostileKey+"%d", h.n)), Headers: headers}
	if value != nil {
		r.Value = protocol.NewBytes(value)
	}
	return r
}

// framed is a body by a schema, which is registered once.
func (h *hostile) framed(name, schema string, body []byte) []byte {
	if h.ids[name] == 0 {
		h.ids[name] = h.registry.Register(h.site.topic+"-"+name, schema)
	}
	return append(schemas.AppendFrame(nil, h.ids[name]), body...)
}

// evaluation is the least schema of an event, with a type for attributes.person.
func evaluation(person string) string {
	return `{"type":"record","name":"E","fields":[
{"name":"profileId","type":"string"},
{"name":"changed","type":{"type":"record","name":"C","fields":[{"name":"segments","type":{"type":"array","items":"string"}},{"name":"attributes","type":{"type":"array","items":"string"}}]}},
{"name":"attributes","type":{"type":"record","name":"A","fields":[{"name":"person","type":` + person + `}]}},
{"name":"segmentMembership","type":{"type":"map","values":{"type":"map","values":{"type":"record","name":"M","fields":[{"name":"status","type":"string"}]}}}},
{"name":"identityMap","type":{"type":"map","values":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"id","type":"string"}]}}}}]}`
}

// record is the type of a person whose mapped email is of another type.
func record(name, email string) string {
	return fmt.Sprintf(`{"type":"record","name":"P%s","fields":[{"name":"email","type":%s}]}`, name, email)
}

func avroText(b []byte, s string) []byte { return append(binary.AppendVarint(b, int64(len(s))), s...) }

// exportedBody is the body of an event that is exported with what its person is.
func exportedBody(person []byte) []byte {
	b := avroText(nil, hostileKey+"profile")
	b = append(avroText(append(b, 2), leads.HighPropensity), 0, 0)
	b = append(b, person...)
	b = avroText(append(avroText(append(b, 2), "ups"), 2), leads.HighPropensity)
	return append(avroText(b, "realized"), 0, 0, 0)
}

// huge is an event of 900 KB whose items take many times as much in JSON.
func (h *hostile) huge(name, email string, item []byte) protocol.Record {
	n := 900_000 / len(item)
	items := append(binary.AppendVarint(nil, int64(n)), bytes.Repeat(item, n)...)
	return h.record(h.framed(name, evaluation(record(name, email)), exportedBody(append(items, 0))))
}

// schemaBombs are events whose schemas are what costs.
func (h *hostile) schemaBombs() []protocol.Record {
	double := `{"type":"record","name":"R0","fields":[{"name":"email","type":"null"}]}`
	for i := 1; i <= 40; i++ {
		double = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"email","type":%s},{"name":"b","type":"R%d"}]}`, i, double, i-1)
	}
	var fields []string
	for i := range 5000 {
		fields = append(fields, fmt.Sprintf(`{"name":"field%d","type":["null","string"],"labels":["C2"]}`, i))
	}
	wide := `{"type":"record","name":"P","fields":[` + strings.Join(fields, ",") + `]}`
	long := `{"type":"record","name":"P","fields":[{"name":"` + strings.Repeat("x", 200<<10) + `","type":"int"}]}`
	deep := strings.Repeat(`{"type":"array","items":`, 20_000) + `"int"` + strings.Repeat(`}`, 20_000)
	endless := []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0} // an array of 2^62 values of no byte
	return []protocol.Record{
		h.record(h.framed("double", evaluation(double), exportedBody(nil))),
		h.record(h.framed("wide", evaluation(wide), exportedBody(make([]byte, 5000)))),
		h.record(h.framed("long", evaluation(long), exportedBody([]byte{0}))),
		h.record(h.framed("deep", evaluation(deep), exportedBody([]byte{0}))),
		h.record(h.framed("nulls", evaluation(record("Nulls", `{"type":"array","items":"null"}`)), exportedBody(endless))),
		h.record(h.framed("no schema", "{", exportedBody(nil))),
		h.record(schemas.AppendFrame(nil, int(h.registry.id.Load()))),
		h.record(append(schemas.AppendFrame(nil, int(h.registry.id.Load())), exportedBody(nil)...)),
	}
}

// manySchemas are events each of which has a schema of its own, and ids that no schema has.
func (h *hostile) manySchemas() []protocol.Record {
	records := many(h.bombs.schemas, func(i int) protocol.Record {
		name := fmt.Sprintf("own%d", i)
		var fields []string
		for f := range 200 {
			fields = append(fields, fmt.Sprintf(`{"name":"f%d_%d","type":["null","string"],"default":null}`, i, f))
		}
		return h.record(h.framed(name, evaluation(`{"type":"record","name":"P","fields":[`+strings.Join(fields, ",")+`]}`), exportedBody(make([]byte, 200))))
	})
	for i := range 3 {
		records = append(records, h.record(schemas.AppendFrame(nil, 2_000_000+i)))
	}
	return records
}

// forgeries carry the headers that a destination writes itself.
func (h *hostile) forgeries() []protocol.Record {
	header := func(key, value string) protocol.Header { return protocol.Header{Key: key, Value: []byte(value)} }
	return []protocol.Record{
		h.record([]byte("forged"), header(deadletter.HeaderParkedKey, strings.Repeat("p", 16)), header(deadletter.HeaderRedrives, "99")),
		h.record([]byte("forged"), header(deadletter.HeaderDestination, h.site.name), header(deadletter.HeaderReason, "malformed"), header(deadletter.HeaderOffset, "12345678")),
		h.record([]byte("forged"), header(deadletter.HeaderTopic, h.site.topic), header(deadletter.HeaderPartition, "\xff\xff\xff\xff"),
			header(deadletter.HeaderOffset, strings.Repeat("\xff", 8)), header(deadletter.HeaderDestination, h.site.name), header(deadletter.HeaderReason, "malformed")),
		h.record([]byte("forged"), header(deadletter.HeaderValueOmitted, "length=9999999999999 sha256="+strings.Repeat("00", 32)), header(deadletter.HeaderKeyOmitted, "x")),
		h.record([]byte("forged"), header("__value_schema_id", "\x01"+strings.Repeat("\xee", 16)), header("__key_schema_id", "\x00")),
		h.record([]byte("forged"), header("", ""), header("\xff\xfe", "\x00\x1b[2J"), header("\u202ename", "\u202e")),
	}
}

// garbage cannot be decoded, or stands at no time.
func (h *hostile) garbage() []protocol.Record {
	s := h.site
	records := []protocol.Record{
		h.record([]byte{}), h.record([]byte{0}), h.record([]byte{0, 0, 0, 0}), h.record([]byte("no Avro")), h.record(nil),
		h.record(bytes.Repeat([]byte{0xff}, 400<<10)),
		h.record(s.framed(nil)), h.record(s.framed(bytes.Repeat([]byte{0xfe}, 100))),
	}
	e, err := newLeads(s.t, 72, 1).Next()
	if err != nil {
		s.t.Fatal(err)
	}
	for cut := range min(len(e.Body), 200) {
		records = append(records, h.record(s.framed(e.Body[:cut])))
	}
	timeless := h.record([]byte("no time"))
	timeless.Time = time.Time{}
	early, late := h.record([]byte("before 1970")), h.record([]byte("in a thousand years"))
	early.Time, late.Time = time.Unix(-1<<32, 0), time.Now().AddDate(1000, 0, 0)
	return append(records, timeless, early, late, protocol.Record{Value: protocol.NewBytes([]byte("no key"))})
}

// sendForeign sends to the dead-letter topic what is no letter, before there is a
// destination, and returns how many messages those are.
func (h *hostile) sendForeign() int {
	s := h.site
	topic := s.letterTopic()
	s.makeTopic(topic, sitePartitions)
	records := slices.Concat(h.forgeries(), []protocol.Record{
		h.record(nil), h.record([]byte("foreign")), h.record(bytes.Repeat([]byte{0xff}, 400<<10)),
		h.record([]byte("foreign"), protocol.Header{Key: deadletter.HeaderDestination, Value: bytes.Repeat([]byte("d"), 300<<10)}),
		{},
	})
	for partition := range sitePartitions {
		h.produceTo(topic, partition, 0, records...)
	}
	return len(records) * sitePartitions
}

// produce writes one batch as it is to the hostile partition.
func (h *hostile) produce(codec compress.Compression, records ...protocol.Record) {
	h.site.t.Helper()
	h.sent += len(records)
	h.produceTo(h.site.topic, hostilePartition, codec, records...)
}

func (h *hostile) produceTo(topic string, partition int, codec compress.Compression, records ...protocol.Record) {
	s := h.site
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := s.transport.RoundTrip(ctx, kafka.TCP(s.brokers...), &produceapi.Request{
		Acks: -1, Timeout: 30_000,
		Topics: []produceapi.RequestTopic{{Topic: topic, Partitions: []produceapi.RequestPartition{{
			Partition: int32(partition),
			RecordSet: protocol.RecordSet{Attributes: protocol.Attributes(codec), Records: protocol.NewRecordReader(records...)},
		}}}},
	})
	if err != nil {
		s.t.Fatal("produce:", err)
	}
	if code := answer.(*produceapi.Response).Topics[0].Partitions[0].ErrorCode; code != 0 {
		s.t.Fatalf("produce %d records: %v", len(records), kafka.Error(code))
	}
}
