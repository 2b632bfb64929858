package embeddedkinesis_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"kinesis-destination/sink/embeddedkinesis"
)

func embedded(t *testing.T, opts embeddedkinesis.Options) (*embeddedkinesis.Server, *kinesis.Client) {
	t.Helper()
	s := embeddedkinesis.New(opts)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.Create(embeddedkinesis.Stream{Name: "s", Shards: 2})
	return s, kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{}, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
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
