package sink

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// hostsDialled makes every call that there is to a stream and tells which
// addresses were dialled, each call's apart; none is reached. With an account the
// credentials are of a role, whose account the SDK learns.
func hostsDialled(t *testing.T, stream, account, endpoint string) map[string][]string {
	t.Helper()
	var mu sync.Mutex
	var dialled []string
	refused := errors.New("there is no network")
	c, err := newClient(t.Context(), Config{
		Region: "us-east-1", Endpoint: endpoint, Credentials: Credentials{AccessKeyID: fixed("AKID"), SecretAccessKey: fixed("SECRET")},
	}, Options{Lanes: 1, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dialled = append(dialled, address)
		return nil, refused
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	o := c.api.Options()
	o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET", AccountID: account}, nil
	})
	c.api, c.credentials = kinesis.New(o), o.Credentials
	name, arn := target(stream)
	hosts := map[string][]string{}
	for call, ask := range map[string]func() error{
		"DescribeStreamSummary": func() error {
			_, err := c.api.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: name, StreamARN: arn})
			return err
		},
		"ListShards": func() error { _, err := c.listShards(t.Context(), stream); return err },
		"ListShards, further pages": func() error {
			_, err := c.api.ListShards(t.Context(), &kinesis.ListShardsInput{NextToken: aws.String("token")})
			return err
		},
		"PutRecords": func() error {
			_, err := c.putRecords(t.Context(), &exchange{body: endJSON(beginJSON(nil), stream)})
			return err
		},
		"GetShardIterator": func() error {
			_, err := c.api.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: name, StreamARN: arn, ShardId: aws.String("0"), ShardIteratorType: "LATEST"})
			return err
		},
		"GetRecords": func() error {
			_, err := c.api.GetRecords(t.Context(), &kinesis.GetRecordsInput{StreamARN: arn, ShardIterator: aws.String("iterator")})
			return err
		},
	} {
		dialled = nil
		if err := ask(); !errors.Is(err, refused) {
			t.Fatalf("%s: %v", call, err)
		}
		slices.Sort(dialled)
		hosts[call] = slices.Compact(dialled)
	}
	return hosts
}

// What firewalls and VPC endpoints have to open: deployments/docs/OPERATING.md, "What has to be reachable", says the same.
func TestCallsGoToTheHostsThatTheReadmeNames(t *testing.T) {
	const (
		arn     = "arn:aws:kinesis:us-east-1:123456789012:stream/leads"
		account = "123456789012"
		region  = "kinesis.us-east-1.amazonaws.com:443"
		control = account + ".control-kinesis.us-east-1.amazonaws.com:443"
		data    = account + ".data-kinesis.us-east-1.amazonaws.com:443"
		own     = "vpce-1.kinesis.us-east-1.vpce.amazonaws.com:443"
	)
	for name, c := range map[string]struct {
		stream, account, endpoint, mode string
		look, pages, put, read          string // by kind of call
	}{
		"a name, a key of its own":         {stream: "leads", look: region, pages: region, put: region, read: region},
		"an ARN, a key of its own":         {stream: arn, look: control, pages: region, put: region, read: data},
		"a name, a role":                   {stream: "leads", account: account, look: control, pages: control, put: data, read: data},
		"an ARN, a role":                   {stream: arn, account: account, look: control, pages: control, put: data, read: data},
		"a name, a role without its hosts": {stream: "leads", account: account, mode: "disabled", look: region, pages: region, put: region, read: region},
		"an endpoint":                      {stream: arn, account: account, endpoint: "https://" + own[:len(own)-4], look: own, pages: own, put: own, read: own},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", c.mode)
			want := map[string]string{
				"DescribeStreamSummary": c.look, "ListShards": c.look, "ListShards, further pages": c.pages,
				"PutRecords": c.put, "GetShardIterator": c.read, "GetRecords": c.read,
			}
			for call, hosts := range hostsDialled(t, c.stream, c.account, c.endpoint) {
				if !slices.Equal(hosts, []string{want[call]}) {
					t.Errorf("%s goes to %v, want %s", call, hosts, want[call])
				}
			}
		})
	}
}
