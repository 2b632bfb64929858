package consumer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"unsafe"

	"kinesis-destination/consumer/connect"

	"github.com/segmentio/kafka-go"
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
	budget  *Budget
	ids     map[string]topicID // of the topics; nil: they are named by their names

	mu    sync.Mutex
	taken int64 // of the budget, by the answer; guarded by mu, as all below
	ended bool  // nobody waits for the answer any more
}

// newFetchCall asks a broker for what follows the claims' positions, in their order, while
// so many partitions of the consumer may have something.
func newFetchCall(node int, claims []*claim, busy int, b *Budget) *fetchCall {
	limit := min(fetchMaxBytes, max(fetchLeastBytes, b.share()))
	askEach(limit, b.setShare(busy), claims)
	var topics []fetch.RequestTopic
	at, i := map[string]int{}, 0
	for n, c := range claims {
		if n == 0 || c.topic != claims[n-1].topic { // as a rule there is one
			var ok bool
			if i, ok = at[c.topic]; !ok {
				i = len(topics)
				at[c.topic] = i
				topics = append(topics, fetch.RequestTopic{Topic: c.topic, Partitions: make([]fetch.RequestPartition, 0, len(claims)-n)})
			}
		}
		topics[i].Partitions = append(topics[i].Partitions, fetch.RequestPartition{
			Partition: int32(c.partition), CurrentLeaderEpoch: -1, LogStartOffset: -1,
			FetchOffset: c.position, PartitionMaxBytes: int32(c.asked),
		})
	}
	return &fetchCall{node: int32(node), budget: b, Request: fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchMaxWait.Milliseconds()), MinBytes: 1, MaxBytes: int32(limit),
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
	byID := c.ids != nil && connect.BrokerVersion(rw, protocol.Fetch) >= fetchIDVersion
	send := func() error { return protocol.WriteRequest(rw, c.version, correlation, connect.ClientID, &c.Request) }
	if byID {
		send = func() error { return c.sendByID(rw) }
	}
	if err := send(); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(rw, size[:]); err != nil {
		return nil, err
	}
	body := io.LimitedReader{R: rw, N: int64(binary.BigEndian.Uint32(size[:]))}
	n := body.N
	w := fetchWire{body: &body, from: bufio.NewReaderSize(&body, wireBuffer), call: c}
	if w.int32() != correlation && w.err == nil {
		return nil, errors.New("the answer is that of another request")
	}
	var res *fetchResponse
	if byID {
		res = w.responseByID(c.ids)
	} else {
		res = w.response(c.version)
	}
	if w.err != nil {
		c.end()
		return nil, fmt.Errorf("after %d of %d bytes: %w", n-body.N, n, w.err)
	}
	if _, err := io.Copy(io.Discard, w.from); err != nil { // the connection is used again
		c.end()
		return nil, fmt.Errorf("after %d of %d bytes: %w", n-body.N, n, err)
	}
	return res, nil
}

// wireBuffer is read of an answer at a time, but for the records.
const wireBuffer = 4 << 10

// dropSilent closes the connections that rest where one has not answered in time: its host
// may be gone without a word, and each of them would keep the next request waiting as long.
func dropSilent(transport *kafka.Transport, err error) {
	if timedOut(err) {
		transport.CloseIdleConnections()
	}
}

// timedOut tells whether there was no answer in time. Of the request's time and its connection's,
// which end together, either may be first.
func timedOut(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return ok && late.Timeout()
}

// roundTrip makes the exchange.
func roundTrip(ctx context.Context, transport *kafka.Transport, addr net.Addr, call *fetchCall) (*fetchResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchMaxWait+requestTimeout)
	defer cancel()
	answer, err := transport.RoundTrip(ctx, addr, call)
	if err != nil {
		call.end()
		dropSilent(transport, err)
		return nil, fmt.Errorf("fetch: %w", err)
	}
	res := answer.(*fetchResponse)
	if res.code != 0 {
		res.close()
		return nil, fmt.Errorf("fetch: %w", kafka.Error(res.code))
	}
	return res, nil
}

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
	brought       int64 // bytes of records in the answer, whether there was room for them or not
	records       []byte
	tooLarge      error // why there are none

	budget *Budget
	cost   int64 // of the budget, by the records
}

type abortedTransaction struct{ producer, firstOffset int64 }

// close gives back what nobody took over.
func (res *fetchResponse) close() {
	for i := range res.partitions {
		p := &res.partitions[i]
		if p.cost > 0 {
			p.budget.release(p.cost)
			p.budget.codecs.buffers.give(p.records)
		}
		p.records, p.cost = nil, 0
	}
}

// fetchWire reads the protocol's primitive types off a connection. What is missing
// reads as zero and is an error at the end.
type fetchWire struct {
	body *io.LimitedReader
	from *bufio.Reader // of body
	call *fetchCall
	got  bool // records of a partition
	err  error
	room [32]byte // what numbers are read into
}

func (w *fetchWire) bytes(to []byte) {
	if w.err != nil {
		clear(to)
		return
	}
	if _, err := io.ReadFull(w.from, to); err != nil {
		clear(to)
		w.fail(err)
	}
}

func (w *fetchWire) fail(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	w.err = err
}

func (w *fetchWire) int16() int16 {
	w.bytes(w.room[:2])
	return int16(binary.BigEndian.Uint16(w.room[:]))
}

func (w *fetchWire) int32() int32 {
	w.bytes(w.room[:4])
	return int32(binary.BigEndian.Uint32(w.room[:]))
}

func (w *fetchWire) int64() int64 {
	w.bytes(w.room[:8])
	return int64(binary.BigEndian.Uint64(w.room[:]))
}

func (w *fetchWire) string() string {
	b := make([]byte, max(0, w.int16()))
	w.bytes(b)
	return string(b)
}

func (w *fetchWire) response(version int16) *fetchResponse {
	res := &fetchResponse{}
	w.int32() // throttle time
	if version >= 7 {
		res.code = w.int16()
		w.int32() // session
	}
	for topics := w.int32(); topics > 0 && w.err == nil; topics-- {
		topic := w.string()
		n := w.int32()
		res.grow(int64(n), w.call.asked())
		for ; n > 0 && w.err == nil; n-- {
			if !w.expected(res) {
				break
			}
			p := w.partition(version)
			p.topic = topic
			res.partitions = append(res.partitions, p)
		}
	}
	return res
}

// grow makes room for so many more partitions, as far as so many are expected in all.
func (res *fetchResponse) grow(more int64, expected int) {
	if n := min(more, int64(expected-len(res.partitions))); n > 0 {
		res.partitions = slices.Grow(res.partitions, int(n))
	}
}

// asked is how many partitions the call is about.
func (c *fetchCall) asked() int {
	n := 0
	for i := range c.Topics {
		n += len(c.Topics[i].Partitions)
	}
	return n
}

// expected tells whether the answer may be about one more partition.
func (w *fetchWire) expected(res *fetchResponse) bool {
	if len(res.partitions) == w.call.asked() {
		w.err = errors.New("the answer is about more partitions than were asked for")
		return false
	}
	return true
}

// partitionHead reads what begins each partition, with where its log starts from
// version 5 on.
func (w *fetchWire) partitionHead(logStart bool) fetchedPartition {
	b := w.room[:4+2+8+8+8]
	if !logStart {
		b = b[:4+2+8+8]
	}
	w.bytes(b)
	return fetchedPartition{
		topicPartition: topicPartition{partition: int(int32(binary.BigEndian.Uint32(b)))},
		code:           int16(binary.BigEndian.Uint16(b[4:])),
		highWatermark:  int64(binary.BigEndian.Uint64(b[6:])),
		lastStable:     int64(binary.BigEndian.Uint64(b[14:])),
		replica:        -1, budget: w.call.budget,
	}
}

// aborted reads one aborted transaction.
func (w *fetchWire) aborted(p *fetchedPartition) {
	if len(p.aborted) == cap(p.aborted) {
		more := max(16, len(p.aborted))
		p.aborted = slices.Grow(p.aborted, more)
		p.cost += w.acquire(int64(more) * abortedCost)
	}
	p.aborted = append(p.aborted, abortedTransaction{w.int64(), w.int64()})
}

func (w *fetchWire) partition(version int16) fetchedPartition {
	p := w.partitionHead(version >= 5)
	for n := w.int32(); n > 0 && w.err == nil; n-- { // -1: none
		w.aborted(&p)
	}
	if version >= fetchRackVersion {
		p.replica = w.int32()
	}
	if n := int64(w.int32()); n > 0 && w.err == nil { // -1: none
		w.records(&p, n)
	}
	return p
}

// abortedCost is what an aborted transaction takes: in the answer, and once more
// while it is applied.
const abortedCost = 2 * int64(unsafe.Sizeof(abortedTransaction{}))
