package destination

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-destination/sink/embeddedkinesis"
)

func (s *site) readBack(records []embeddedkinesis.Record) {
	s.t.Helper()
	program := os.Getenv("KINESIS_READBACK")
	if program == "" || s.embedded != nil {
		return
	}
	var stderr bytes.Buffer
	command := exec.Command(program, s.name)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		s.t.Fatalf("read back: %v\n%s", err, &stderr)
	}
	byKey := map[string][]string{}
	for _, r := range records {
		byKey[r.PartitionKey] = append(byKey[r.PartitionKey], string(r.Data))
	}
	decoder, n := json.NewDecoder(bytes.NewReader(out)), 0
	for {
		var r struct {
			PartitionKey string
			Data         []byte
		}
		if err := decoder.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			s.t.Fatal("read back:", err)
		}
		n++
		rest := byKey[r.PartitionKey]
		if len(rest) == 0 || rest[0] != string(r.Data) {
			s.t.Fatalf("the independent client sees another record %d", n)
		}
		byKey[r.PartitionKey] = rest[1:]
	}
	if n != len(records) {
		s.t.Fatalf("the independent client reads %d records, we %d", n, len(records))
	}
	s.t.Logf("an independent client reads back the same %d records", n)
}

// records reads the whole stream back.
func (s *site) records() []embeddedkinesis.Record {
	s.t.Helper()
	ctx := context.Background()
	shards, err := s.kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &s.name})
	if err != nil {
		s.t.Fatal("list shards:", err)
	}
	var all []embeddedkinesis.Record
	for _, shard := range shards.Shards {
		iterator, err := s.kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: &s.name, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			s.t.Fatal("get a shard iterator:", err)
		}
		for at := iterator.ShardIterator; at != nil; {
			page, err := s.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at})
			if err != nil {
				s.t.Fatal("get records:", err)
			}
			for _, r := range page.Records {
				all = append(all, embeddedkinesis.Record{PartitionKey: *r.PartitionKey, SequenceNumber: *r.SequenceNumber, Data: r.Data})
			}
			if len(page.Records) == 0 && aws.ToInt64(page.MillisBehindLatest) == 0 {
				break
			}
			at = page.NextShardIterator
		}
	}
	return all
}
