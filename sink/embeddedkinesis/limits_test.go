package embeddedkinesis_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"kinesis-destination/sink/embeddedkinesis"
)

func embedded(t *testing.T, opts embeddedkinesis.Options) (*embeddedkinesis.Server, *kinesis.Client) {
	t.Helper()
	s := embeddedkinesis.New(opts)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Create(embeddedkinesis.Stream{Name: "s", Shards: 2})
	return s, kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{}, HTTPClient: &http.Client{Transport: wholeBody{}},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
}

func TestLimitsOfRequestsAreEnforced(t *testing.T) {
	_, c := embedded(t, embeddedkinesis.Options{})
	name := "s"
	one := func(key string, size int) []types.PutRecordsRequestEntry {
		return entries(1, size, func(int) string { return key })
	}
	for what, records := range map[string][]types.PutRecordsRequestEntry{
		"501 records":           entries(501, 1, func(int) string { return "k" }),
		"empty key":             one("", 1),
		"key of 257 characters": one(strings.Repeat("k", 257), 1),
		"record over 1 MiB":     one("k", 1<<20+1),
		"request over 10 MiB":   entries(11, 1<<20-1, func(int) string { return "k" }),
	} {
		_, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: records})
		refused, ok := errors.AsType[smithy.APIError](err)
		if !ok {
			t.Errorf("%s: %v", what, err)
			continue
		}
		switch refused.ErrorCode() {
		case "ValidationException", "InvalidArgumentException", "SerializationException":
		default:
			t.Errorf("%s: %v", what, refused)
		}
	}
	if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: entries(500, 100, func(int) string { return strings.Repeat("k", 256) })}); err != nil {
		t.Errorf("a request at the limits: %v", err)
	}
}

func TestShardLimitsThrottleSingleEntries(t *testing.T) {
	s, c := embedded(t, embeddedkinesis.Options{EnforceShardLimits: true})
	stored := 0
	for range 6 {
		out, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: entries(500, 10, func(int) string { return "same" })})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			switch aws.ToString(r.ErrorCode) {
			case "":
				stored++
			case "ProvisionedThroughputExceededException":
			default:
				t.Fatalf("code %s", aws.ToString(r.ErrorCode))
			}
		}
	}
	if stored < 1000 || stored > 2500 || s.Counters()["ProvisionedThroughputExceededException"] != 3000-stored {
		t.Errorf("%d of 3000 stored at once on a shard of 1,000/s", stored)
	}
}

func TestEntriesOfOneCallAreAppliedInAShuffledOrder(t *testing.T) {
	s, c := embedded(t, embeddedkinesis.Options{})
	in := entries(26, 1, func(int) string { return "same" })
	if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: in}); err != nil {
		t.Fatal(err)
	}
	order := ""
	for _, r := range s.History("s") {
		order += string(r.Data)
	}
	if len(order) != 26 || order == "abcdefghijklmnopqrstuvwxyz" {
		t.Errorf("stored as %s", order)
	}
}

func TestLostAnswerIsStoredAndCutOff(t *testing.T) {
	s, c := embedded(t, embeddedkinesis.Options{Script: func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Drop: embeddedkinesis.DropAfter}
	}})
	_, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("s"), Records: entries(3, 1, func(i int) string { return fmt.Sprint(i) })})
	if err == nil || len(s.History("s")) != 3 || s.Counters()["drop-after"] != 1 {
		t.Errorf("err %v, %d stored, %v", err, len(s.History("s")), s.Counters())
	}
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

func entries(n, size int, key func(int) string) []types.PutRecordsRequestEntry {
	var all []types.PutRecordsRequestEntry
	for i := range n {
		all = append(all, types.PutRecordsRequestEntry{PartitionKey: aws.String(key(i)), Data: bytes.Repeat([]byte{byte('a' + i%26)}, size)})
	}
	return all
}

// A shard takes no more from us than others leave, and a lower limit is one at once.
func TestALoadLeavesLessOfEachShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := embeddedkinesis.New(embeddedkinesis.Options{EnforceShardLimits: true})
		s.Create(embeddedkinesis.Stream{Name: "s", Shards: 1})
		second := func() (stored int) {
			for end := time.Now().Add(time.Second); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
				before := len(s.History("s"))
				put(t, s, 50)
				stored += len(s.History("s")) - before
			}
			return stored
		}
		second() // what was saved up is gone
		for _, c := range []struct {
			load     embeddedkinesis.Load
			low, top int
		}{
			{embeddedkinesis.Load{}, 980, 1010},
			{embeddedkinesis.Load{Foreign: .5}, 480, 520},
			{embeddedkinesis.Load{Foreign: .5}, 480, 510},
			{embeddedkinesis.Load{Reduced: .9}, 90, 120},
			{embeddedkinesis.Load{Reduced: .9, Foreign: .5}, 0, 10},
			{embeddedkinesis.Load{}, 980, 1010},
		} {
			s.SetLoad(c.load)
			if n := second(); n < c.low || n > c.top {
				t.Errorf("%+v: %d records a second, want %d to %d", c.load, n, c.low, c.top)
			}
		}
	})
}

// put makes a call without a network.
func put(t *testing.T, s *embeddedkinesis.Server, n int) {
	t.Helper()
	var records []string
	for range n {
		records = append(records, `{"PartitionKey":"k","Data":"eA=="}`)
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(`{"StreamName":"s","Records":[`+strings.Join(records, ",")+`]}`))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "Kinesis_20131202.PutRecords")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=key/20261128/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0")
	r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
}

func TestWhatIsKeptIsBoundedAndReadersPassOverTheRest(t *testing.T) {
	const kept = 10
	s, c := embedded(t, embeddedkinesis.Options{})
	s.Create(embeddedkinesis.Stream{Name: "s", Shards: 1})
	s.Keep(kept)
	name, shard := "s", "shardId-000000000000"
	put := func(n int) {
		if _, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: &name, Records: entries(n, 1, func(i int) string { return fmt.Sprint(i) })}); err != nil {
			t.Fatal(err)
		}
	}
	put(5)
	it, err := c.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: &name, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	read := func() int {
		got, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
		if err != nil {
			t.Fatal(err)
		}
		it.ShardIterator = got.NextShardIterator
		return len(got.Records)
	}
	if n := read(); n != 5 {
		t.Errorf("%d records read, wanted 5", n)
	}
	for range 100 {
		put(7)
		if n := len(s.History(name)); n < kept && n > 12 || n >= 2*kept {
			t.Fatalf("%d records are kept, wanted %d to %d", n, kept, 2*kept)
		}
	}
	if n, all := read(), len(s.History(name)); n != all {
		t.Errorf("a reader that came late reads %d records of %d", n, all)
	}
	put(1)
	if n := read(); n != 1 {
		t.Errorf("%d records read at the end, wanted 1", n)
	}
}
