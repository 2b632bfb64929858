package destination

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
	"github.com/segmentio/kafka-go/protocol"
	produceapi "github.com/segmentio/kafka-go/protocol/produce"

	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// hostilePartition gets everything that one producer can send to do harm.
const hostilePartition = 5

// hostileTime bounds the whole story: what the good events take, and a minute for
// what the hostile ones may cost their own partition.
const hostileTime = 4 * time.Minute

// One hostile producer, who may write to one partition and register schemas,
// harms nobody else: the events of the other eleven are all delivered in order,
// the process stays within its memory, and ends well.
func TestContractAHostileProducerHarmsItsOwnPartitionAlone(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(71, embeddedkinesis.Rates{Throttle: .01}))
	s.extra = "deadLetter: {park: true}\n"
	program, config := s.binary()
	g, o := newLeads(t, 71, 5000), newOracle()
	h := &hostile{site: s}
	n := s.load()
	s.feed(g, o, n/4)
	sent := h.sendAll(1)
	began := time.Now()
	command := s.run(program, config)
	highest := int64(0)
	watching, stop := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for watching.Err() == nil {
			highest = max(highest, resident(t, command.Process.Pid))
			pass(50 * time.Millisecond)
		}
	}()
	for range 3 {
		s.feed(g, o, n/4)
		sent += h.sendAll(1)
	}
	s.await(hostileTime, "all offsets committed", s.committed)
	took := time.Since(began)
	stop()
	<-watched
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("exit after SIGTERM: %v", err)
	}
	records := s.embedded.History(s.name)
	others, own := o.split(func(key string) bool { return s.partitionOf(key) != hostilePartition }, records)
	t.Logf("%d good events and %d hostile ones in %v; resident at most %d MiB; the other partitions %+v, the hostile one %+v",
		o.total, sent, took.Round(time.Millisecond), highest>>20, others, own)
	if others != (verdict{}) {
		t.Errorf("the other eleven partitions: %+v", others)
	}
	if own.lost+own.reordered+own.unexpected != 0 {
		t.Errorf("the good events of the hostile partition: %+v", own)
	}
	if highest > memoryBound {
		t.Errorf("resident %d MiB, the bound is %d MiB", highest>>20, memoryBound>>20)
	}
}

func (s *site) partitionOf(key string) int {
	return kafka.Murmur2Balancer{}.Balance(kafka.Message{Key: []byte(key)}, numbers(sitePartitions)...)
}

// split judges the records of the keys that choose names, and of all others.
func (o *oracle) split(choose func(key string) bool, records []embeddedkinesis.Record) (chosen, others verdict) {
	halves := map[bool]*oracle{true: newOracle(), false: newOracle()}
	for key, serials := range o.expected {
		halves[choose(key)].expected[key] = serials
	}
	sorted := map[bool][]embeddedkinesis.Record{}
	for _, r := range records {
		if strings.HasPrefix(r.PartitionKey, hostileKey) {
			continue // what of it can be exported is, and no oracle knows of it
		}
		in := choose(r.PartitionKey)
		sorted[in] = append(sorted[in], r)
	}
	return halves[true].judge(sorted[true]), halves[false].judge(sorted[false])
}

const hostileKey = "hostile-"

// hostile writes what does harm.
type hostile struct {
	site *site
	ids  map[string]int
	n    int
}

// sendAll sends each kind of message a number of times, and returns how many messages those are.
func (h *hostile) sendAll(times int) (sent int) {
	for range times {
		for _, batch := range h.batches() {
			h.produce(batch.codec, batch.records...)
			sent += len(batch.records)
		}
	}
	return sent
}

type hostileBatch struct {
	codec   compress.Compression
	records []protocol.Record
}

func (h *hostile) batches() []hostileBatch {
	return []hostileBatch{
		{compress.Zstd, []protocol.Record{h.record(make([]byte, 150<<20))}},
		{compress.Gzip, []protocol.Record{h.record(make([]byte, 64<<20))}},
		{compress.Zstd, []protocol.Record{h.record(nil, make([]protocol.Header, 4_000_000)...)}},
		{compress.Zstd, h.many(1_000_000, func(int) protocol.Record { return protocol.Record{} })},
		{compress.Lz4, h.many(40_000, func(i int) protocol.Record {
			return protocol.Record{Key: protocol.NewBytes(fmt.Appendf(nil, hostileKey+"%08d", i))}
		})},
		{0, h.schemaBombs()},
		{0, h.forgeries()},
		{0, h.garbage()},
	}
}

func (h *hostile) many(n int, each func(int) protocol.Record) []protocol.Record {
	all := make([]protocol.Record, n)
	for i := range all {
		all[i] = each(i)
	}
	return all
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
	if h.ids == nil {
		h.ids = map[string]int{}
	}
	if h.ids[name] == 0 {
		h.ids[name] = h.site.register(h.site.topic+"-"+name, schema)
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

// schemaBombs are events whose schemas are what costs.
func (h *hostile) schemaBombs() []protocol.Record {
	double := `{"type":"record","name":"R0","fields":[{"name":"a","type":"null"}]}`
	for i := 1; i <= 40; i++ {
		double = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, double, i-1)
	}
	var fields []string
	for i := range 5000 {
		fields = append(fields, fmt.Sprintf(`{"name":"field%d","type":["null","string"],"labels":["C2"]}`, i))
	}
	wide := `{"type":"record","name":"P","fields":[` + strings.Join(fields, ",") + `]}`
	long := `{"type":"record","name":"P","fields":[{"name":"` + strings.Repeat("x", 200<<10) + `","type":"int"}]}`
	nulls := `{"type":"array","items":"null"}`
	head := []byte{2, 'p', 0, 0}
	endless := append(bytes.Clone(head), 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f) // an array of 2^62 values of no byte
	return []protocol.Record{
		h.record(h.framed("double", evaluation(double), append(bytes.Clone(head), 0, 0))),
		h.record(h.framed("wide", evaluation(wide), head)),
		h.record(h.framed("long", evaluation(long), append(bytes.Clone(head), 2, 0, 0))),
		h.record(h.framed("nulls", evaluation(nulls), endless)),
	}
}

// forgeries carry the headers that a destination writes itself.
func (h *hostile) forgeries() []protocol.Record {
	header := func(key, value string) protocol.Header { return protocol.Header{Key: key, Value: []byte(value)} }
	return []protocol.Record{
		h.record([]byte("forged"), header("x-parked-key", strings.Repeat("p", 16)), header("x-redrives", "99")),
		h.record([]byte("forged"), header("x-destination", h.site.name), header("x-reason", "malformed"), header("kafka_dlt-original-offset", "12345678")),
		h.record([]byte("forged"), header("kafka_dlt-original-topic", h.site.topic), header("kafka_dlt-original-partition", "\xff\xff\xff\xff"),
			header("kafka_dlt-original-offset", "\xff\xff\xff\xff\xff\xff\xff\xff"), header("x-destination", h.site.name), header("x-reason", "malformed")),
		h.record([]byte("forged"), header("traceparent", strings.Repeat("0", 500<<10))),
	}
}

// garbage cannot be decoded, or is too large for any stream once it is.
func (h *hostile) garbage() []protocol.Record {
	records := []protocol.Record{
		h.record([]byte{}), h.record([]byte{0}), h.record([]byte{0, 0, 0, 0}), h.record([]byte("no Avro")),
		h.record(bytes.Repeat([]byte{0xff}, 900<<10)),
		h.record(h.site.framed(nil)), h.record(h.site.framed(bytes.Repeat([]byte{0xfe}, 100))),
	}
	e, err := newLeads(h.site.t, 72, 1).Next()
	if err != nil {
		h.site.t.Fatal(err)
	}
	for cut := range min(len(e.Body), 200) {
		records = append(records, h.record(h.site.framed(e.Body[:cut])))
	}
	return records
}

// produce writes one batch as it is to the hostile partition.
func (h *hostile) produce(codec compress.Compression, records ...protocol.Record) {
	s := h.site
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := s.transport.RoundTrip(ctx, kafka.TCP(s.brokers...), &produceapi.Request{
		Acks: -1, Timeout: 30_000,
		Topics: []produceapi.RequestTopic{{Topic: s.topic, Partitions: []produceapi.RequestPartition{{
			Partition: hostilePartition,
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
