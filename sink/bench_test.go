package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/fxamacker/cbor/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// canned answers every call with the same 500 results, so that only the
// client's work is measured.
type canned struct {
	header http.Header
	body   []byte
}

func cannedAnswer(protocol string) canned {
	result := map[string]any{"SequenceNumber": "49590338271490256608559692538361571095921575989136588898", "ShardId": "shardId-000000000001"}
	answer := map[string]any{"EncryptionType": "NONE", "FailedRecordCount": 0, "Records": slices.Repeat([]any{result}, 500)}
	marshal, contentType := json.Marshal, jsonType
	if protocol == ProtocolCBOR {
		marshal, contentType = cbor.Marshal, cborType
	}
	body, err := marshal(answer)
	if err != nil {
		panic(err)
	}
	return canned{http.Header{"Content-Type": {contentType}}, body}
}

// RoundTrip implements http.RoundTripper.
func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: c.header, Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)), Request: r}, nil
}

func benchClient(tb testing.TB, protocol string) *client {
	tb.Helper()
	c, err := newClient(tb.Context(), Config{
		Region: "us-east-1", Endpoint: "http://localhost", Protocol: protocol,
		Credentials: Credentials{AccessKeyID: fixed("AKID"), SecretAccessKey: fixed("SECRET")},
	}, Options{Lanes: 1}.withDefaults())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.close)
	c.transport.base = cannedAnswer(protocol)
	return c
}

func benchBatch() (flights []inFlight, entries []types.PutRecordsRequestEntry) {
	for i := range 500 {
		key := fmt.Sprintf("profile-%012d", i)
		data := bytes.Repeat([]byte("x"), 600)
		e := entry{rec: taken(key, data)}
		e.rec.Data, e.rec.written, e.rec.raw = data, nil, false
		flights = append(flights, inFlight{chain: &chain{key: key}, head: []entry{e}})
		entries = append(entries, types.PutRecordsRequestEntry{Data: e.rec.Data, PartitionKey: &key})
	}
	return flights, entries
}

// benchCall is what the sink does of a call, from the documents to the results.
func benchCall(tb testing.TB, protocol string) (call func(flights []inFlight), l *lane) {
	tb.Helper()
	name := "leads"
	l = &lane{sink: &Sink{stream: &stream{}, client: benchClient(tb, protocol)}}
	l.sink.stream.target.Store(&name)
	ctx, cancel := context.WithTimeout(tb.Context(), time.Hour)
	tb.Cleanup(cancel)
	return func(flights []inFlight) {
		for _, f := range flights {
			r := f.head[0].rec
			l.sink.write(r)
		}
		l.serialise(flights)
		results, err := l.sink.client.putRecords(ctx, &l.call)
		if err != nil || len(results) != 500 {
			tb.Fatal(len(results), err)
		}
		l.call.trim(keepCall)
	}, l
}

// BenchmarkPutRecords compares a call of 500 records of 600 bytes as the SDK
// makes it with those of a lane.
func BenchmarkPutRecords(b *testing.B) {
	flights, entries := benchBatch()
	perRecord := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record") }
	b.Run("sdk", func(b *testing.B) {
		c := benchClient(b, ProtocolJSON)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.api.PutRecords(b.Context(), &kinesis.PutRecordsInput{Records: entries, StreamName: aws.String("leads")}); err != nil {
				b.Fatal(err)
			}
		}
		perRecord(b)
	})
	for _, protocol := range []string{ProtocolJSON, ProtocolCBOR} {
		b.Run(protocol, func(b *testing.B) {
			call, l := benchCall(b, protocol)
			b.ReportAllocs()
			for b.Loop() {
				call(flights)
			}
			perRecord(b)
			b.ReportMetric(float64(len(l.call.body))/500, "sent-B/record")
		})
	}
}

// BenchmarkQueue is what the queue costs a record: push, batch, settle.
func BenchmarkQueue(b *testing.B) {
	records := make([]*Record, 4000)
	for i := range records {
		key := fmt.Sprint("key-", i%3000)
		records[i] = taken(key, make([]byte, 600))
	}
	lim := limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}
	q := newQueue(func(*Record) int { return 0 })
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		q.Push(entry{rec: records[i%len(records)]})
		if i++; i%500 == 0 {
			for _, f := range q.Batch(epoch, lim, always) {
				q.Settle(f.chain)
			}
		}
	}
}

// TestTheQueueAllocatesNothingForARecordOfItsOwnIdentity: push, batch and settle, as most records go.
func TestTheQueueAllocatesNothingForARecordOfItsOwnIdentity(t *testing.T) {
	records := make([]*Record, maxBatchRecords)
	for i := range records {
		key := fmt.Sprint("key-", i)
		records[i] = taken(key, make([]byte, 600))
	}
	lim := limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}
	shard := 0
	q := newQueue(func(*Record) int { shard++; return shard % 512 })
	got := testing.AllocsPerRun(200, func() {
		for _, r := range records {
			q.Push(entry{rec: r})
		}
		for q.chains.n > 0 {
			for _, f := range q.Batch(epoch, lim, always) {
				q.Settle(f.chain)
			}
		}
	})
	if got > maxBatchRecords/100 { // lists that still grow
		t.Errorf("%v allocations for %d records", got, len(records))
	}
}

// TestALaneKeepsTheRoomForItsNews: what a call brought is told without a list of its own.
func TestALaneKeepsTheRoomForItsNews(t *testing.T) {
	l := answeredLane()
	batch, results := l.filled()
	l.settleResults(batch, epoch, results)
	got := testing.AllocsPerRun(100, func() {
		batch, results := l.filled()
		l.settleResults(batch, epoch, results)
	})
	if got > maxBatchRecords/100 {
		t.Errorf("%v allocations for a call of %d records", got, maxBatchRecords)
	}
}

// BenchmarkAnswered is what a record costs the sink beside the call: put in the queue, batched, settled and told.
func BenchmarkAnswered(b *testing.B) {
	l := answeredLane()
	b.ReportAllocs()
	for b.Loop() {
		batch, results := l.filled()
		l.settleResults(batch, epoch, results)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxBatchRecords, "ns/record")
}

// laneOfRecords is a lane without a goroutine, and records for full requests.
type laneOfRecords struct {
	*lane
	records []*Record
	results []result
	lim     limits
}

type deaf struct{}

func (deaf) Done(Outcome, string) {}
func (deaf) Withdrawn()           {}

func answeredLane() *laneOfRecords {
	m, err := newMetrics(prometheus.NewRegistry(), "leads")
	if err != nil {
		panic(err) // a new registry has none of the metrics yet
	}
	s := &Sink{memory: NewMemory(defaultQueue, defaultCalls), metrics: m, stream: &stream{}, gate: &gate{}, holds: &holds{}, errorStats: newErrorStats()}
	s.rooms = s.memory.rooms(1)
	l := &laneOfRecords{lane: newLane(s, nil), lim: limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}}
	l.shards = unmapped
	shard := []byte("shardId-000000000000")
	for i := range maxBatchRecords {
		key := fmt.Sprint("key-", i)
		r := taken(key, make([]byte, 600))
		r.Owner, r.room = deaf{}, s.rooms.find(nil)
		l.records = append(l.records, r)
		l.results = append(l.results, result{shard: shard, sequenced: true})
	}
	return l
}

func (l *laneOfRecords) filled() ([]inFlight, []result) {
	for _, r := range l.records {
		r.room.add(1, r.cost) // as Put had counted it
		l.inbox.records++
		l.inbox.bytes += r.cost
		l.queue.Push(entry{rec: r})
	}
	return l.queue.Batch(epoch, l.lim, always), l.results
}
