package sink_test

import (
	"context"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
)

const (
	identities    = 50
	documentsEach = 10 // of an identity in a round
)

// Aggregates that were written while the stream's shard was split are read by
// each reader there is: ours always, and on real servers the Kinesis Client
// Library, which reads along, and aws-kinesis-agg.
func TestContractAggregatesAreReadAcrossASplit(t *testing.T) {
	inEachProtocol(t, contractAggregatesAreReadAcrossASplit)
}

func contractAggregatesAreReadAcrossASplit(t *testing.T, protocol string) {
	c := service(t, protocol)
	name := stream(t, c, 1)
	kcl := startKCL(t, name)
	config := sink.Config{
		Region: "us-east-1", Stream: name, Endpoint: aws.ToString(c.Options().BaseEndpoint), Aggregation: sink.AggregationKPL, Protocol: protocol,
		Credentials: sink.Credentials{AccessKeyID: fixed("key"), SecretAccessKey: fixed("secret")},
	}
	rounds := writeAcrossASplit(t, c, config, kcl.beganReading)
	stored := 0
	for _, s := range shards(t, c, name) {
		stored += len(read(t, c, name, aws.ToString(s.ShardId)))
	}
	documents := rounds * identities * documentsEach
	t.Logf("%d documents in %d records", documents, stored)
	if stored > documents/5 {
		t.Errorf("%d records for %d documents: hardly anything was aggregated", stored, documents)
	}
	t.Run("our reader", func(t *testing.T) {
		o := newReading(rounds)
		if err := sink.ReadStream(t.Context(), config, sink.Options{}, time.Time{}, func(s sink.Stored) error {
			return o.read(s.Shard, s.PartitionKey, string(s.Data))
		}); err != nil {
			t.Fatal(err)
		}
		o.judge(t)
	})
	if program := os.Getenv("KINESIS_READBACK"); program != "" && os.Getenv("KINESIS_ENDPOINT") != "" {
		t.Run("aws-kinesis-agg", func(t *testing.T) { deaggregate(t, program, name, newReading(rounds)) })
	} else {
		t.Log("no aws-kinesis-agg here")
	}
	if kcl == nil {
		t.Log("no Kinesis Client Library here")
		return
	}
	t.Run("KCL", func(t *testing.T) { kcl.judge(t, newReading(rounds)) })
}

// writeAcrossASplit writes rounds of documents, splits the shard amid them once
// the reader has begun, and says how many rounds there were.
func writeAcrossASplit(t *testing.T, c *kinesis.Client, config sink.Config, began func(*testing.T)) (rounds int) {
	t.Helper()
	gate := new(gate)
	s, err := sink.New(config, sink.Options{
		DeadLetter: deadletter.Config{Topic: "unused"}, Brokers: []string{"localhost:1"}, Seed: 1, Lanes: 4, Dial: gate.dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	write := func() {
		var open sync.WaitGroup
		gate.Lock()
		for n := range documentsEach {
			for k := range identities {
				open.Add(1)
				r := &sink.Record{
					PartitionKey: fmt.Sprint("profile-", k), Owner: heard{t, &open},
					Data: fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, rounds*documentsEach+n, strings.Repeat("é", 60)),
				}
				if err := s.Put(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		gate.Unlock()
		rounds++
		open.Wait()
	}
	write()
	began(t)
	split := make(chan error, 1)
	go func() {
		half := new(big.Int).Lsh(big.NewInt(1), 127).String()
		_, err := c.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &config.Stream, ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: &half})
		split <- err
	}()
	for over := false; !over; {
		write()
		select {
		case err := <-split:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
	}
	for before := rounds; rounds < before+10 || len(openShards(t, c, config.Stream)) != 2; {
		write()
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return rounds
}

// gate lets nothing through to the stream while it is locked: how much is queued when
// a call is made is then not the scheduler's choice.
type gate struct{ sync.RWMutex }

func (g *gate) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return gatedConn{conn, g}, err
}

type gatedConn struct {
	net.Conn
	gate *gate
}

func (c gatedConn) Write(b []byte) (int, error) {
	c.gate.RLock()
	defer c.gate.RUnlock()
	return c.Conn.Write(b)
}

func openShards(t *testing.T, c *kinesis.Client, name string) (open []string) {
	t.Helper()
	for _, s := range shards(t, c, name) {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			open = append(open, aws.ToString(s.ShardId))
		}
	}
	return open
}

// reading is what a reader has got so far.
type reading struct {
	each      int            // documents of an identity
	next      map[string]int // by identity
	shards    map[string]int // documents by shard
	repeated  int
	documents int
}

func newReading(rounds int) *reading {
	return &reading{each: rounds * documentsEach, next: map[string]int{}, shards: map[string]int{}}
}

// read notes the next document. It may repeat one of before, and not skip any.
func (r *reading) read(shard, key, data string) error {
	var n int
	if _, err := fmt.Sscanf(data, `{"n":%d,`, &n); err != nil || !strings.HasSuffix(data, strings.Repeat("é", 60)+`"}`) {
		return fmt.Errorf("%s: not a document that was written: %q", key, data)
	}
	switch {
	case n > r.next[key]:
		return fmt.Errorf("%s in %s: document %d after %d", key, shard, n, r.next[key]-1)
	case n < r.next[key]:
		r.repeated++
		return nil
	}
	r.next[key]++
	r.documents++
	r.shards[shard]++
	return nil
}

func (r *reading) complete() bool { return r.documents == identities*r.each }

func (r *reading) judge(t *testing.T) {
	t.Helper()
	if !r.complete() || len(r.next) != identities {
		t.Errorf("%d documents of %d identities, not %d of %d", r.documents, len(r.next), identities*r.each, identities)
	}
	if len(r.shards) != 3 {
		t.Errorf("documents of %d shards: a parent and its two children were written to", len(r.shards))
	}
	t.Logf("each of %d documents once, in order of its identity; by shard %v; %d repetitions dropped", r.documents, r.shards, r.repeated)
}
