package consumer

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// fetchCall is a fetch request to one broker. It is encoded by kafka-go, but
// goes where it is told, a follower included, and its response is read here:
// kafka-go goes to leaders only, fails a whole response for one corrupt batch,
// and keeps neither a batch's last offset nor its time of append. Layout: Kafka
// protocol guide, Fetch, versions 4 (aborted transactions) to 11 (racks).
type fetchCall struct {
	fetch.Request
	node    int32
	version int16
	ids     map[string]topicID // of the topics; nil: they are named by their names
}

// newFetchCall asks a broker for what follows the claims' positions, in their order.
func newFetchCall(node int, claims []*claim) *fetchCall {
	var topics []fetch.RequestTopic
	at := map[string]int{}
	for _, c := range claims {
		i, ok := at[c.topic]
		if !ok {
			i = len(topics)
			at[c.topic] = i
			topics = append(topics, fetch.RequestTopic{Topic: c.topic})
		}
		topics[i].Partitions = append(topics[i].Partitions, fetch.RequestPartition{
			Partition: int32(c.partition), CurrentLeaderEpoch: -1, LogStartOffset: -1,
			FetchOffset: c.position, PartitionMaxBytes: partitionMaxBytes,
		})
	}
	return &fetchCall{node: int32(node), Request: fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchMaxWait.Milliseconds()), MinBytes: 1, MaxBytes: fetchMaxBytes,
		IsolationLevel: readCommitted, SessionID: -1, SessionEpoch: -1, Topics: topics,
	}}
}

const (
	fetchMinVersion  = 4
	fetchRackVersion = 11
)

// Broker tells kafka-go where to send the request.
func (c *fetchCall) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	return brokerIn(cluster, c.node)
}

// brokerIn is a broker by its id, as long as it is in the cluster.
func brokerIn(cluster protocol.Cluster, node int32) (protocol.Broker, error) {
	b, ok := cluster.Brokers[node]
	if !ok {
		return protocol.Broker{ID: -1}, fmt.Errorf("broker %d is not in the cluster: %w", node, errStale)
	}
	return b, nil
}

// Required tells kafka-go to leave the exchange to RawExchange.
func (c *fetchCall) Required(versions map[protocol.ApiKey]int16) bool {
	c.version = versions[protocol.Fetch]
	return true
}

// RawExchange sends the request and reads the response.
func (c *fetchCall) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if c.version < fetchMinVersion {
		return nil, fmt.Errorf("the broker answers fetch requests up to version %d only: Kafka 0.11 or newer is needed", c.version)
	}
	if c.ids != nil && brokerVersion(rw, protocol.Fetch) >= fetchIDVersion {
		w, err := c.exchangeByID(rw)
		if err != nil {
			return nil, err
		}
		return w.responseByID(c.ids)
	}
	if err := protocol.WriteRequest(rw, c.version, correlation, clientID, &c.Request); err != nil {
		return nil, err
	}
	w, err := readAnswer(rw, maxFetchAnswer, false)
	if err != nil {
		return nil, err
	}
	return w.response(c.version)
}

// maxFetchAnswer is the most that the length of an answer can say: a batch may be
// larger than what was asked for.
const maxFetchAnswer = math.MaxInt32

// fetchResponse is what a broker answered, partition by partition.
type fetchResponse struct {
	code       int16
	byID       bool // it was asked by ids: it is about those topics
	partitions []fetchedPartition
}

// ApiKey makes it a message of kafka-go's.
func (*fetchResponse) ApiKey() protocol.ApiKey { return protocol.Fetch }

type fetchedPartition struct {
	topicPartition
	code          int16
	highWatermark int64
	lastStable    int64
	aborted       []abortedTransaction
	replica       int32 // where to fetch instead; -1: here
	records       []byte
}

type abortedTransaction struct{ producer, firstOffset int64 }

// wire reads the protocol's primitive types. What is missing reads as zero and
// is an error at the end.
type wire struct {
	rest  []byte
	short bool
}

func (w *wire) bytes(n int) []byte {
	if n < 0 || n > len(w.rest) {
		w.rest, w.short = nil, true
		return nil
	}
	b := w.rest[:n:n]
	w.rest = w.rest[n:]
	return b
}

func (w *wire) int16() int16 {
	if b := w.bytes(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (w *wire) int32() int32 {
	if b := w.bytes(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (w *wire) int64() int64 {
	if b := w.bytes(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (w *wire) response(version int16) (*fetchResponse, error) {
	res := &fetchResponse{}
	w.int32() // throttle time
	if version >= 7 {
		res.code = w.int16()
		w.int32() // session
	}
	for range w.int32() {
		topic := string(w.bytes(int(w.int16())))
		for range w.int32() {
			p := w.partition(version)
			p.topic = topic
			if w.short {
				return nil, io.ErrUnexpectedEOF
			}
			res.partitions = append(res.partitions, p)
		}
		if w.short {
			return nil, io.ErrUnexpectedEOF
		}
	}
	if w.short {
		return nil, io.ErrUnexpectedEOF
	}
	return res, nil
}

func (w *wire) partition(version int16) fetchedPartition {
	p := fetchedPartition{replica: -1}
	p.partition = int(w.int32())
	p.code = w.int16()
	p.highWatermark = w.int64()
	p.lastStable = w.int64()
	if version >= 5 {
		w.int64() // log start
	}
	for range w.int32() { // -1: none
		p.aborted = append(p.aborted, abortedTransaction{w.int64(), w.int64()})
		if w.short {
			return p
		}
	}
	if version >= fetchRackVersion {
		p.replica = w.int32()
	}
	if n := w.int32(); n > 0 { // -1: none
		p.records = w.bytes(int(n))
	}
	return p
}
