package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"kinesis-destination/schemas/credentials"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

const (
	testStream = "leads"
	testTopic  = "events"
	testDLT    = "events.dlt"
)

// world is a stream and a Kafka cluster on a network in memory. It must be made
// inside a synctest bubble.
type world struct {
	t         *testing.T
	network   *kfake.VirtualNetwork
	stream    *embeddedkinesis.Server
	kafka     *kfake.Cluster
	broker    *kafka.Transport
	sink      *Sink
	oracle    *oracle
	misrouted int // aggregates that a reader drops

	with  worldOptions
	mu    sync.Mutex
	holds []string // reasons as reported
	lease time.Time
}

type worldOptions struct {
	kinesis embeddedkinesis.Options
	stream  embeddedkinesis.Stream
	missing bool // no stream at the start
	config  func(*Config)
	options func(*Options)
	topics  []kfake.Opt
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := &world{t: t, network: new(kfake.VirtualNetwork), stream: embeddedkinesis.New(o.kinesis)}
	w.oracle = &oracle{t: t, rest: make(map[string]int)}
	if o.stream.Name == "" {
		o.stream.Name = testStream
	}
	if o.stream.Shards == 0 {
		o.stream.Shards = 4
	}
	if !o.missing {
		w.stream.Create(o.stream)
	}
	w.serve(4567)
	var err error
	w.kafka, err = kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(w.network.Listen), kfake.SeedTopics(3, testTopic)}, o.topics...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.kafka.Close)
	w.broker = &kafka.Transport{Dial: w.network.DialContext}
	t.Cleanup(w.broker.CloseIdleConnections)
	w.with = o
	w.start()
	return w
}

// serve lets the stream listen; the returned function ends that.
func (w *world) serve(port int) (stop func()) {
	listener, err := w.network.Listen("tcp", fmt.Sprintf("localhost:%d", port))
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: w.stream, ErrorLog: nil}
	ended := make(chan struct{})
	go func() { _ = server.Serve(listener); close(ended) }()
	once := sync.OnceFunc(func() { _ = server.Close(); <-ended })
	w.t.Cleanup(once)
	return once
}

func (w *world) close(d time.Duration) { closeSink(w.t, w.sink, d) }

func (w *world) reported() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.holds...)
}

// put gives the sink the next record of a key.
func (w *world) put(key string, size int) *tracked {
	w.t.Helper()
	tr := w.oracle.record(key, size, nil)
	if err := tr.put(w.t.Context(), w.sink); err != nil {
		w.t.Fatalf("put: %v", err)
	}
	return tr
}

// oracle knows what was given to the sink, and checks what became of it.
type oracle struct {
	t    *testing.T
	mu   sync.Mutex
	all  []*tracked
	rest map[string]int // records so far, by key
	n    int
}

// tracked is a record and what its owner heard.
type tracked struct {
	oracle    *oracle
	rec       *Record
	key       string
	seq       int
	heard     int
	outcome   Outcome
	reason    string
	withdrawn bool
	at        time.Time
	done      chan struct{}
}

type document struct {
	Key string `json:"k"`
	Seq int    `json:"n"`
	Pad string `json:"p,omitempty"`
}

func (o *oracle) record(key string, size int, revoked <-chan struct{}) *tracked {
	o.mu.Lock()
	defer o.mu.Unlock()
	tr := &tracked{oracle: o, key: key, seq: o.rest[key], done: make(chan struct{})}
	o.rest[key]++
	d := document{Key: key, Seq: tr.seq}
	data, err := json.Marshal(d)
	if err != nil {
		o.t.Fatal(err)
	}
	if pad := size - len(data) - len(`,"p":""`); pad > 0 {
		d.Pad = strings.Repeat("x", pad)
		data, _ = json.Marshal(d)
	}
	tr.rec = &Record{
		PartitionKey: key, Data: data, Revoked: revoked, Owner: tr,
		Source: &deadletter.Origin{Topic: testTopic, Partition: o.n % 3, Offset: int64(o.n), Time: time.Now(), Key: []byte(key), Value: fmt.Appendf(nil, "%s/%d", key, tr.seq), Headers: []kafka.Header{{Key: "h", Value: []byte{0, 1}}}},
	}
	o.n++
	o.all = append(o.all, tr)
	return tr
}

// put gives the record to a sink, and writes over its document once the sink has a copy.
func (tr *tracked) put(ctx context.Context, s *Sink) error {
	data := tr.rec.Data
	err := s.Put(ctx, tr.rec)
	if err == nil && len(data) <= CopiedAtMost {
		clear(data)
	}
	return err
}

// Done implements Owner.
func (tr *tracked) Done(outcome Outcome, reason string) { tr.hear(outcome, reason, false) }

// Withdrawn implements Owner.
func (tr *tracked) Withdrawn() { tr.hear(0, "", true) }

func (tr *tracked) hear(outcome Outcome, reason string, withdrawn bool) {
	tr.oracle.mu.Lock()
	defer tr.oracle.mu.Unlock()
	tr.heard++
	tr.outcome, tr.reason, tr.withdrawn, tr.at = outcome, reason, withdrawn, time.Now()
	if tr.heard > 1 {
		tr.oracle.t.Errorf("the owner of %s/%d heard %d times", tr.key, tr.seq, tr.heard)
		return
	}
	close(tr.done)
}

func (tr *tracked) wait() { <-tr.done }

// resting says whether the owner has heard.
func (tr *tracked) resting() bool {
	select {
	case <-tr.done:
		return true
	default:
		return false
	}
}

// await waits until every record so far has come to rest.
func (o *oracle) await() {
	o.mu.Lock()
	all := append([]*tracked(nil), o.all...)
	o.mu.Unlock()
	for _, tr := range all {
		tr.wait()
	}
}

// check compares the stream with what the owners heard: per key in order after
// duplicates are dropped, nothing lost. It returns the number of duplicates.
func (w *world) check() (duplicates int) {
	w.t.Helper()
	next := make(map[string]int)            // the lowest number not yet seen, by key
	stored := make(map[string]map[int]bool) // what was seen
	for _, r := range w.stream.History(testStream) {
		members, err := takeApart(r.PartitionKey, r.Data)
		if err != nil {
			w.t.Fatalf("stored record: %v", err)
		}
		if !w.readable(r, members) {
			continue
		}
		known := make(map[string]int) // leading duplicates of this record, by key
		for _, m := range members {
			var d document
			if err := json.Unmarshal(m.data, &d); err != nil {
				w.t.Fatalf("stored data: %v", err)
			}
			if d.Key != m.key {
				w.t.Fatalf("a document of %q under the key %q", d.Key, m.key)
			}
			if stored[d.Key] == nil {
				stored[d.Key] = make(map[int]bool)
			}
			switch {
			case stored[d.Key][d.Seq]:
				known[d.Key]++
				duplicates++
				if len(members) == 1 && d.Seq < next[d.Key]-1 {
					w.t.Errorf("key %s: %d was stored again after %d", d.Key, d.Seq, next[d.Key]-1)
				}
				continue
			case d.Seq < next[d.Key]:
				w.t.Errorf("key %s: %d was stored after %d", d.Key, d.Seq, next[d.Key]-1)
			case known[d.Key] > 0 && next[d.Key] != d.Seq:
				w.t.Errorf("key %s: %d follows duplicates up to %d", d.Key, d.Seq, next[d.Key]-1)
			}
			stored[d.Key][d.Seq] = true
			next[d.Key] = d.Seq + 1
		}
	}
	w.oracle.mu.Lock()
	defer w.oracle.mu.Unlock()
	for _, tr := range w.oracle.all {
		if tr.outcome == Delivered && !stored[tr.key][tr.seq] {
			w.t.Errorf("%s/%d is called delivered and is not stored", tr.key, tr.seq)
		}
	}
	return duplicates
}

// readable says whether a KCL reader gets the members of a record: it drops an
// aggregate with a member whose key does not lie in the shard.
func (w *world) readable(r embeddedkinesis.Record, members []piece) bool {
	for _, m := range members {
		if !w.stream.Holds(testStream, r.ShardID, m.key) {
			w.misrouted++
			return false
		}
	}
	return true
}

// delivered fails the test unless every record so far was delivered.
func (w *world) delivered() {
	w.t.Helper()
	w.oracle.mu.Lock()
	defer w.oracle.mu.Unlock()
	for _, tr := range w.oracle.all {
		if tr.outcome != Delivered {
			w.t.Fatalf("%s/%d: outcome %v %q withdrawn %v", tr.key, tr.seq, tr.outcome, tr.reason, tr.withdrawn)
		}
	}
}

// letters reads the dead-letter topic.
func (w *world) letters() []kafka.Message {
	w.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP("localhost:9092"), Transport: w.broker}
	meta, err := client.Metadata(w.t.Context(), &kafka.MetadataRequest{Topics: []string{testDLT}})
	if err != nil {
		w.t.Fatal(err)
	}
	var all []kafka.Message
	for _, topic := range meta.Topics {
		for _, p := range topic.Partitions {
			all = append(all, w.partition(client, p.ID)...)
		}
	}
	return all
}

func (w *world) partition(client *kafka.Client, id int) []kafka.Message {
	w.t.Helper()
	var all []kafka.Message
	res, err := client.Fetch(w.t.Context(), &kafka.FetchRequest{Topic: testDLT, Partition: id, MaxBytes: 64 << 20, MaxWait: time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	if res.Error != nil {
		w.t.Fatal(res.Error)
	}
	for {
		r, err := res.Records.ReadRecord()
		if err != nil {
			return all
		}
		key, _ := kafka.ReadAll(r.Key)
		value, _ := kafka.ReadAll(r.Value)
		all = append(all, kafka.Message{Topic: testDLT, Partition: id, Offset: r.Offset, Key: key, Value: value, Headers: append([]kafka.Header(nil), r.Headers...), Time: r.Time})
	}
}

func fixed(value string) credentials.Secret { return func() (string, error) { return value, nil } }
