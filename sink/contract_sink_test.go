package sink_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"kinesis-destination/schemas/credentials"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
)

// heard is an owner that waits for its record to be delivered.
type heard struct {
	t    *testing.T
	open *sync.WaitGroup
}

// Done implements sink.Owner.
func (h heard) Done(outcome sink.Outcome, reason string) {
	if outcome != sink.Delivered {
		h.t.Errorf("outcome %v %s", outcome, reason)
	}
	h.open.Done()
}

// Withdrawn implements sink.Owner.
func (h heard) Withdrawn() { h.t.Error("withdrawn"); h.open.Done() }

func TestContractSinkDeliversInOrderPerKey(t *testing.T) {
	inEachProtocol(t, contractSinkDeliversInOrderPerKey)
}

func contractSinkDeliversInOrderPerKey(t *testing.T, protocol string) {
	c := service(t, protocol)
	name := stream(t, c, 3)
	endpoint := aws.ToString(c.Options().BaseEndpoint)
	s, err := sink.New(sink.Config{
		Region: "us-east-1", Stream: name, Endpoint: endpoint, Protocol: protocol,
		Credentials: sink.Credentials{AccessKeyID: fixed("key"), SecretAccessKey: fixed("secret")},
	}, sink.Options{
		DeadLetter: deadletter.Config{Topic: "unused"}, Brokers: []string{"localhost:1"}, Seed: 1,
		Hold: func(reason string, err error) {
			if reason != "" {
				t.Errorf("hold %s: %v", reason, err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	const keys, each = 40, 50
	for i := range keys * each {
		open.Add(1)
		r := &sink.Record{PartitionKey: fmt.Sprint("profile-", i%keys), Data: fmt.Appendf(nil, `{"n":%d}`, i/keys), Owner: heard{t, &open}}
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	open.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	next := make(map[string]int)
	for _, sh := range shards(t, c, name) {
		for _, r := range read(t, c, name, aws.ToString(sh.ShardId)) {
			key := aws.ToString(r.PartitionKey)
			if want := fmt.Sprintf(`{"n":%d}`, next[key]); string(r.Data) != want {
				t.Fatalf("%s: read %s, want %s", key, r.Data, want)
			}
			next[key]++
		}
	}
	for key, n := range next {
		if n != each {
			t.Errorf("%s: %d of %d", key, n, each)
		}
	}
	if len(next) != keys {
		t.Errorf("%d of %d keys", len(next), keys)
	}
}

func fixed(value string) credentials.Secret { return func() (string, error) { return value, nil } }
