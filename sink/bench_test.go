package sink

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
)

// canned answers every call with the same 500 results, so that only the
// client's work is measured.
type canned []byte

func cannedAnswer() canned {
	result := `{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898","ShardId":"shardId-000000000001"}`
	return canned(`{"EncryptionType":"NONE","FailedRecordCount":0,"Records":[` + strings.Repeat(result+",", 499) + result + `]}`)
}

// RoundTrip implements http.RoundTripper.
func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(c)), Request: r}, nil
}

func benchClient() *client {
	h := &http.Client{Transport: ownedBody{base: cannedAnswer()}}
	return &client{http: h, api: kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://localhost"), HTTPClient: h, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})}
}

func benchBatch() (flights []inFlight, entries []types.PutRecordsRequestEntry) {
	for i := range 500 {
		key := fmt.Sprintf("profile-%012d", i)
		e := entry{rec: &Record{PartitionKey: key, Data: bytes.Repeat([]byte("x"), 600)}}
		flights = append(flights, inFlight{chain: &chain{key: key}, head: []entry{e}})
		entries = append(entries, types.PutRecordsRequestEntry{Data: e.rec.Data, PartitionKey: &key})
	}
	return flights, entries
}

// BenchmarkPutRecords compares a call of 500 records of 600 bytes as the SDK
// serialises it with one whose body the lane wrote.
func BenchmarkPutRecords(b *testing.B) {
	flights, entries := benchBatch()
	perRecord := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record") }
	b.Run("sdk", func(b *testing.B) {
		c := benchClient()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.api.PutRecords(b.Context(), &kinesis.PutRecordsInput{Records: entries, StreamName: aws.String("leads")}); err != nil {
				b.Fatal(err)
			}
		}
		perRecord(b)
	})
	b.Run("own", func(b *testing.B) {
		c := benchClient()
		name := "leads"
		l := &lane{sink: &Sink{stream: &stream{}}}
		l.sink.stream.target.Store(&name)
		b.ReportAllocs()
		for b.Loop() {
			l.serialise(flights)
			if _, err := c.putRecords(b.Context(), l.body); err != nil {
				b.Fatal(err)
			}
		}
		perRecord(b)
	})
}

// BenchmarkQueue is what the queue costs a record: push, batch, settle.
func BenchmarkQueue(b *testing.B) {
	records := make([]*Record, 4000)
	for i := range records {
		records[i] = &Record{PartitionKey: fmt.Sprint("key-", i%3000), Data: make([]byte, 600)}
	}
	lim := limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}
	q := newQueue(func(string) int { return 0 })
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
		records[i] = &Record{PartitionKey: fmt.Sprint("key-", i), Data: make([]byte, 600)}
	}
	lim := limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}
	shard := 0
	q := newQueue(func(string) int { shard++; return shard % 512 })
	got := testing.AllocsPerRun(200, func() {
		for _, r := range records {
			q.Push(entry{rec: r})
		}
		for len(q.chains) > 0 {
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
	l.answered(batch, epoch, results)
	got := testing.AllocsPerRun(100, func() {
		batch, results := l.filled()
		l.answered(batch, epoch, results)
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
		l.answered(batch, epoch, results)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxBatchRecords, "ns/record")
}

// laneOfRecords is a lane without a goroutine, and records for full requests.
type laneOfRecords struct {
	*lane
	records []*Record
	results []types.PutRecordsResultEntry
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
	s := &Sink{metrics: m, stream: &stream{}, gate: &gate{}, holds: &holds{}, errorStats: newErrorStats()}
	l := &laneOfRecords{lane: newLane(s, nil), lim: limits{records: maxBatchRecords, bytes: maxBatchBytes, record: defaultRecordBytes}}
	l.shards = unmapped
	shard := "shardId-000000000000"
	for i := range maxBatchRecords {
		l.records = append(l.records, &Record{PartitionKey: fmt.Sprint("key-", i), Data: make([]byte, 600), Owner: deaf{}})
		l.results = append(l.results, types.PutRecordsResultEntry{ShardId: &shard})
	}
	return l
}

func (l *laneOfRecords) filled() ([]inFlight, []types.PutRecordsResultEntry) {
	for _, r := range l.records {
		l.queue.Push(entry{rec: r})
	}
	return l.queue.Batch(epoch, l.lim, always), l.results
}
