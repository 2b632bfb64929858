package sink_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"kinesis-destination/sink"
	"kinesis-destination/sink/embeddedkinesis"
)

// service returns a client, of a protocol, of the embedded service or, when KINESIS_ENDPOINT is
// set, of the one there: both must pass the same tests.
func service(t *testing.T, protocol string) *kinesis.Client {
	t.Helper()
	endpoint := os.Getenv("KINESIS_ENDPOINT")
	if endpoint == "" {
		server := httptest.NewServer(embeddedkinesis.New(embeddedkinesis.Options{Seed: 1, StatusDelay: 20 * time.Millisecond}))
		t.Cleanup(server.Close)
		endpoint = server.URL
	}
	var transport http.RoundTripper = wholeBody{}
	if protocol == sink.ProtocolCBOR {
		transport = inCBOR{transport}
	}
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
}

// wholeBody hands the transport a body of its own: the SDK closes the one it
// made while the transport may still read it (aws-sdk-go-v2 #2737).
type wholeBody struct{}

// RoundTrip implements http.RoundTripper.
func (wholeBody) RoundTrip(r *http.Request) (*http.Response, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(data))
	return http.DefaultTransport.RoundTrip(r)
}

// stream creates a stream and waits until it is active.
func stream(t *testing.T, c *kinesis.Client, shards int32) string {
	t.Helper()
	name := fmt.Sprintf("contract-%d", time.Now().UnixNano())
	if _, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, _ = c.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name}) // another server may be gone
	})
	active(t, c, name)
	return name
}

func active(t *testing.T, c *kinesis.Client, name string) *types.StreamDescriptionSummary {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		if err == nil && out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return out.StreamDescriptionSummary
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatalf("stream %s did not become active: %v", name, err)
		}
	}
}

func entries(n, size int, key func(int) string) []types.PutRecordsRequestEntry {
	var all []types.PutRecordsRequestEntry
	for i := range n {
		all = append(all, types.PutRecordsRequestEntry{PartitionKey: aws.String(key(i)), Data: bytes.Repeat([]byte{byte('a' + i%26)}, size)})
	}
	return all
}

func number(t *testing.T, s *string) *big.Int {
	t.Helper()
	n, ok := new(big.Int).SetString(aws.ToString(s), 10)
	if !ok {
		t.Fatalf("%q is not a number", aws.ToString(s))
	}
	return n
}

func shards(t *testing.T, c *kinesis.Client, name string) []types.Shard {
	t.Helper()
	var all []types.Shard
	in := &kinesis.ListShardsInput{StreamName: &name, MaxResults: aws.Int32(2)}
	for {
		out, err := c.ListShards(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out.Shards...)
		if out.NextToken == nil {
			return all
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken, MaxResults: aws.Int32(2)}
	}
}

// owner predicts the open shard of a key, as this project's sink does.
func owner(t *testing.T, all []types.Shard, key string) string {
	t.Helper()
	sum := md5.Sum([]byte(key))
	hash := new(big.Int).SetBytes(sum[:])
	for _, s := range all {
		if s.SequenceNumberRange.EndingSequenceNumber == nil && number(t, s.HashKeyRange.StartingHashKey).Cmp(hash) <= 0 && hash.Cmp(number(t, s.HashKeyRange.EndingHashKey)) <= 0 {
			return aws.ToString(s.ShardId)
		}
	}
	t.Fatalf("no shard covers %s", hash)
	return ""
}

func read(t *testing.T, c *kinesis.Client, name, shard string) []types.Record {
	t.Helper()
	it, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &name, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	var all []types.Record
	next := it.ShardIterator
	for empty := 0; next != nil && empty < 3; {
		out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next, Limit: aws.Int32(100)})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Records) == 0 {
			empty++
		}
		all = append(all, out.Records...)
		next = out.NextShardIterator
	}
	return all
}

func TestContractPutRecordsAnswersByPositionAndRoutesByMD5(t *testing.T) {
	inEachProtocol(t, contractPutRecordsAnswersByPositionAndRoutesByMD5)
}

func contractPutRecordsAnswersByPositionAndRoutesByMD5(t *testing.T, protocol string) {
	c := service(t, protocol)
	name := stream(t, c, 5)
	all := shards(t, c, name)
	if len(all) != 5 {
		t.Fatalf("%d shards", len(all))
	}
	in := entries(300, 50, func(i int) string { return fmt.Sprint("key", i%40) })
	out, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: in})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Records) != 300 || aws.ToInt32(out.FailedRecordCount) != 0 {
		t.Fatalf("%d results, %d failed", len(out.Records), aws.ToInt32(out.FailedRecordCount))
	}
	sequence := make(map[string]string) // shard and sequence number → key
	for i, r := range out.Records {
		key := aws.ToString(in[i].PartitionKey)
		if want := owner(t, all, key); aws.ToString(r.ShardId) != want {
			t.Errorf("%s went to %s, not %s", key, aws.ToString(r.ShardId), want)
		}
		sequence[aws.ToString(r.ShardId)+aws.ToString(r.SequenceNumber)] = key + string(in[i].Data)
	}
	total := 0
	for _, s := range all {
		last := big.NewInt(-1)
		for _, r := range read(t, c, name, aws.ToString(s.ShardId)) {
			if n := number(t, r.SequenceNumber); n.Cmp(last) <= 0 {
				t.Errorf("sequence number %s after %s", n, last)
			} else {
				last = n
			}
			if got := sequence[aws.ToString(s.ShardId)+aws.ToString(r.SequenceNumber)]; got != aws.ToString(r.PartitionKey)+string(r.Data) {
				t.Error("a result names another record than the one stored under its number")
			}
			total++
		}
	}
	if total != 300 {
		t.Errorf("read %d of 300", total)
	}
}

func TestContractKeysOutsideTheLimitsAreRefused(t *testing.T) {
	inEachProtocol(t, contractKeysOutsideTheLimitsAreRefused)
}

func contractKeysOutsideTheLimitsAreRefused(t *testing.T, protocol string) {
	c := service(t, protocol)
	name := stream(t, c, 1)
	for what, key := range map[string]string{"empty": "", "257 characters": strings.Repeat("k", 257)} {
		_, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: entries(1, 1, func(int) string { return key })})
		if refused, ok := errors.AsType[smithy.APIError](err); !ok || refused.ErrorFault() == smithy.FaultServer {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: entries(500, 100, func(int) string { return strings.Repeat("k", 256) })}); err != nil {
		t.Errorf("a request at the limits: %v", err)
	}
}

func TestContractMissingStreamIsNotFound(t *testing.T) {
	inEachProtocol(t, contractMissingStreamIsNotFound)
}

func contractMissingStreamIsNotFound(t *testing.T, protocol string) {
	c := service(t, protocol)
	var missing *types.ResourceNotFoundException
	_, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("no-such-stream"), Records: entries(1, 1, func(int) string { return "k" })})
	if !errors.As(err, &missing) {
		t.Errorf("PutRecords: %v", err)
	}
	if _, err = c.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("no-such-stream")}); !errors.As(err, &missing) {
		t.Errorf("DescribeStreamSummary: %v", err)
	}
}

func TestContractStreamIsAddressedByARNToo(t *testing.T) {
	inEachProtocol(t, contractStreamIsAddressedByARNToo)
}

func contractStreamIsAddressedByARNToo(t *testing.T, protocol string) {
	c := service(t, protocol)
	name := stream(t, c, 1)
	arn := active(t, c, name).StreamARN
	if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamARN: arn, Records: entries(3, 1, func(int) string { return "k" })}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, name, aws.ToString(shards(t, c, name)[0].ShardId)); len(got) != 3 {
		t.Errorf("read %d of 3", len(got))
	}
}

func TestContractSplitClosesTheParentAndRoutesToTheChildren(t *testing.T) {
	inEachProtocol(t, contractSplitClosesTheParentAndRoutesToTheChildren)
}

func contractSplitClosesTheParentAndRoutesToTheChildren(t *testing.T, protocol string) {
	c := service(t, protocol)
	name := stream(t, c, 1)
	parent := shards(t, c, name)[0]
	if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: entries(20, 1, func(i int) string { return fmt.Sprint(i) })}); err != nil {
		t.Fatal(err)
	}
	half := new(big.Int).Lsh(big.NewInt(1), 127).String()
	if _, err := c.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: &name, ShardToSplit: parent.ShardId, NewStartingHashKey: &half}); err != nil {
		t.Fatal(err)
	}
	active(t, c, name)
	all := shards(t, c, name)
	if len(all) != 3 || all[0].SequenceNumberRange.EndingSequenceNumber == nil {
		t.Fatalf("%d shards", len(all))
	}
	for _, child := range all[1:] {
		if aws.ToString(child.ParentShardId) != aws.ToString(parent.ShardId) {
			t.Errorf("the parent of %s is %s", aws.ToString(child.ShardId), aws.ToString(child.ParentShardId))
		}
	}
	in := entries(20, 1, func(i int) string { return fmt.Sprint(i) })
	out, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: in})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range out.Records {
		if want := owner(t, all, aws.ToString(in[i].PartitionKey)); aws.ToString(r.ShardId) != want {
			t.Errorf("went to %s, not %s", aws.ToString(r.ShardId), want)
		}
	}
	if got := read(t, c, name, aws.ToString(parent.ShardId)); len(got) != 20 {
		t.Errorf("the parent has %d of 20", len(got))
	}
	if _, err := c.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: &name, ShardToMerge: all[1].ShardId, AdjacentShardToMerge: all[2].ShardId}); err != nil {
		t.Fatal(err)
	}
	active(t, c, name)
	if all = shards(t, c, name); len(all) != 4 || all[3].AdjacentParentShardId == nil {
		t.Errorf("after the merge: %d shards", len(all))
	}
}
