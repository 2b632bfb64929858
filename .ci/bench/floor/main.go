// Command floor is the least that carrying bytes from Kafka to a stream costs on
// kafka-go: every message, as it is, goes into a PutRecords body of its own
// making, without a signature. There is no group, no rule, no metric, no retry.
// It ends at the offsets where the topic ended when it began.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"
)

// limit bounds a run.
const limit = 10 * time.Minute

type floor struct {
	kafka    *kafka.Client
	http     *http.Client
	topic    string
	endpoint string
	tail     string
}

func main() {
	brokers := flag.String("brokers", "", "Kafka's addresses, separated by commas")
	topic := flag.String("topic", "", "the topic")
	endpoint := flag.String("endpoint", "", "the stream's URL")
	stream := flag.String("stream", "", "the stream")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	f := &floor{
		kafka: &kafka.Client{Addr: kafka.TCP(strings.Split(*brokers, ",")...)},
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, WriteBufferSize: 64 << 10}},
		topic: *topic, endpoint: *endpoint, tail: `],"StreamName":"` + *stream + `"}`,
	}
	if err := f.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func (f *floor) run(ctx context.Context) error {
	ends, err := f.ends(ctx)
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	for partition, end := range ends {
		work.Go(func() error { return f.carry(ctx, partition, end) })
	}
	return work.Wait()
}

func (f *floor) ends(ctx context.Context) (map[int]int64, error) {
	meta, err := f.kafka.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{f.topic}})
	if err != nil {
		return nil, fmt.Errorf("ask for the topic: %w", err)
	}
	var wanted []kafka.OffsetRequest
	for _, p := range meta.Topics[0].Partitions {
		wanted = append(wanted, kafka.LastOffsetOf(p.ID))
	}
	listed, err := f.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{f.topic: wanted}})
	if err != nil {
		return nil, fmt.Errorf("ask for the topic's ends: %w", err)
	}
	ends := map[int]int64{}
	for _, p := range listed.Topics[f.topic] {
		ends[p.Partition] = p.LastOffset
	}
	return ends, nil
}

// most is what one PutRecords call takes.
const most = 500

const head = `{"Records":[`

// carry copies one partition.
func (f *floor) carry(ctx context.Context, partition int, end int64) error {
	body, n := []byte(head), 0
	var key, value []byte
	for next := int64(0); next < end; {
		res, err := f.kafka.Fetch(ctx, &kafka.FetchRequest{
			Topic: f.topic, Partition: partition, Offset: next, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond,
			IsolationLevel: kafka.ReadCommitted,
		})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return fmt.Errorf("fetch from partition %d: %w", partition, err)
		}
		for {
			r, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break // the last batch may be cut short
			}
			if err != nil {
				return fmt.Errorf("read partition %d: %w", partition, err)
			}
			offset := r.Offset
			if key, err = all(key, r.Key); err == nil {
				value, err = all(value, r.Value)
			}
			if err != nil {
				return fmt.Errorf("read partition %d: %w", partition, err)
			}
			if offset < next {
				continue // its batch began before
			}
			next = offset + 1
			body = appendItem(body, n == 0, value, key)
			if n++; n == most || next == end {
				if err := f.put(ctx, append(body, f.tail...)); err != nil {
					return err
				}
				body, n = body[:len(head)], 0
			}
		}
	}
	return nil
}

// all reads a record's key or value into a buffer that it may grow.
func all(into []byte, from kafka.Bytes) ([]byte, error) {
	if from == nil {
		return into[:0], nil
	}
	defer func() { _ = from.Close() }() // memory: cannot fail
	if n := from.Len(); cap(into) < n {
		into = make([]byte, n)
	} else {
		into = into[:n]
	}
	_, err := io.ReadFull(from, into)
	return into, err
}

func appendItem(dst []byte, first bool, data, key []byte) []byte {
	if !first {
		dst = append(dst, ',')
	}
	dst = append(dst, `{"Data":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	dst = append(dst, `","PartitionKey":"`...)
	dst = append(dst, key...) // nothing in the benchmark's keys needs escaping
	return append(dst, `"}`...)
}

func (f *floor) put(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("put records: %w", err)
	}
	req.Header.Set("X-Amz-Target", "Kinesis_20131202.PutRecords")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	res, err := f.http.Do(req)
	if err != nil {
		return fmt.Errorf("put records: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("put records: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("put records: %s", res.Status)
	}
	return nil
}
