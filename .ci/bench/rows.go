package main

import (
	"fmt"
	"time"
)

// row is one case that is measured.
type row struct {
	name, title string
	identities  int
	partitions  int
	batch       int // events in a batch of the topic
	shards      int
	latency     time.Duration // of a PutRecords call
	aggregation string
	protocol    string
	share       int  // of the events: one part in so many; a slow row takes fewer
	nobody      bool // the mapped segment is one that never changes
	waits       wait // what the program waits for, where only memory is measured
	rate        int  // events a second, where only how long they take is measured; 0: all are there already
	mapped      int  // further segments that are mapped, which no event has
	further     int  // destinations of the same topic in the same process, of which nothing is exported
	memory      int  // MiB that the product needs at least; 0: what it is told in any case
	commands    []string
}

// wait is what stands still in a row.
type wait string

const (
	forStream   wait = "stream"
	forRegistry wait = "registry"
)

// stillstand is how long it does.
const stillstand = 30 * time.Second

// The programs, by the names of their files.
const (
	product  = "kinesis-destination"
	baseline = "baseline"
	floor    = "floor"
	before   = "before" // the product as it was
)

// rows are those with the same topic one after another: it is filled once.
var rows = []row{
	{name: "50k", title: "50,000 identities", commands: []string{product, baseline, floor}},
	{name: "cbor", title: "protocol: cbor", protocol: "cbor"},
	{name: "20ms", title: "20 ms a call", latency: 20 * time.Millisecond},
	{name: "nothing", title: "nothing exported", nobody: true},
	{name: "further", title: "and 9 more that export nothing", further: 9},
	{name: "further99", title: "and 99 more, with 320 MiB", further: 99, share: 5, memory: 320},
	{name: "250segments", title: "250 mapped segments", mapped: 248},
	{name: "1000shards", title: "1,000 shards", shards: 1000},
	{name: "stalled", title: "stream stands still for 30 s", waits: forStream},
	{name: "registry", title: "registry away for 30 s", waits: forRegistry},
	{name: "4shards", title: "4 shards, paced at their limit", shards: 4, share: 10},
	{name: "1part", title: "1 partition", partitions: 1},
	{name: "small", title: "batches of 10 events", batch: 10},
	{name: "200part", title: "200 partitions", partitions: 200},
	{name: "1000part", title: "1,000 partitions", partitions: 1000},
	{name: "1000stalled", title: "and the stream stands still for 30 s", partitions: 1000, waits: forStream},
	{name: "1000small", title: "1,000 partitions, batches of 10", partitions: 1000, batch: 10},
	{name: "100ids", title: "100 identities", identities: 100},
	{name: "kpl", title: "100 identities, aggregation: kpl", identities: 100, aggregation: "kpl"},
	{name: "2k", title: "2,000 identities", identities: 2000},
	{name: "2000/s", title: "2,000 events/s, 2 ms a call", rate: 2000, latency: 2 * time.Millisecond},
	{name: "20000/s", title: "20,000 events/s, 2 ms a call", rate: 20_000, latency: 2 * time.Millisecond},
	{name: "300k", title: "300,000 identities", identities: 300_000},
}

// whole fills in what is common to the rows.
func (r row) whole() row {
	if r.identities == 0 {
		r.identities = 50_000
	}
	if r.partitions == 0 {
		r.partitions = 12
	}
	if r.batch == 0 {
		r.batch = 100
	}
	if r.shards == 0 {
		r.shards = 512
	}
	if r.latency == 0 {
		r.latency = time.Millisecond
	}
	if r.aggregation == "" {
		r.aggregation = "none"
	}
	if r.protocol == "" {
		r.protocol = "json"
	}
	if r.share == 0 {
		r.share = 1
	}
	if r.commands == nil {
		r.commands = []string{product}
	}
	return r
}

// topic names what the row reads; rows that read the same have the same.
func (r row) topic(prefix string) string {
	return fmt.Sprintf("%s-%d-%d-%d-%d", prefix, r.partitions, r.batch, r.identities, r.share)
}
