//go:build !release

package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/cmd/internal/terminal"
	"kinesis-destination/schemas"
)

// whitePaperLead is the event of the contract's example.
//
//go:embed testdata/white-paper-lead.event.json
var whitePaperLead []byte

const whitePaperProfile = "lead-4711"

// expectation is what the account must come to, by how the events were made up.
type expectation struct {
	produced, delivered    int64
	filtered, deadLettered map[string]int64
}

// produce makes the events up and writes them, spread over a few seconds.
func (d *demo) produce(ctx context.Context) error {
	d.expected = expectation{filtered: map[string]int64{}, deadLettered: map[string]int64{}}
	generator, err := leads.New(d.seed, d.events/8)
	if err != nil {
		return err
	}
	schema, err := schemas.Parse(schemas.SegmentEvaluation)
	if err != nil {
		return err
	}
	example, err := schema.EncodeJSON(whitePaperLead)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(d.seed, 2))
	const chunks = 40
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for chunk := range chunks {
		var messages []kafka.Message
		for i := chunk * d.events / chunks; i < (chunk+1)*d.events/chunks; i++ {
			if i == d.events/2 {
				d.expected.delivered++
				messages = append(messages, d.message(whitePaperProfile, d.schemaID, example))
				continue
			}
			event, err := generator.Next()
			if err != nil {
				return err
			}
			messages = append(messages, d.spoil(random.IntN(200), event))
		}
		d.expected.produced += int64(len(messages))
		if err := d.write(ctx, demoTopic, messages); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// spoil makes one event in fifty what must not stop the others.
func (d *demo) spoil(die int, event leads.Event) kafka.Message {
	switch die {
	case 0:
		d.expected.filtered[rules.ReasonTombstone]++
		return kafka.Message{Key: []byte(event.Key)}
	case 1:
		d.expected.deadLettered[rules.ReasonUnknownSchema]++
		return d.message(event.Key, 987654, event.Body)
	case 2:
		d.expected.deadLettered[rules.ReasonMalformed]++
		return d.message(event.Key, d.schemaID, event.Body[:len(event.Body)/2])
	case 3:
		d.expected.deadLettered[rules.ReasonMalformed]++
		return kafka.Message{Key: []byte(event.Key), Value: []byte("not Avro at all")}
	}
	if event.Filtered != "" {
		d.expected.filtered[event.Filtered]++
	} else {
		d.expected.delivered++
	}
	return d.message(event.Key, d.schemaID, event.Body)
}

func (d *demo) message(key string, id int, body []byte) kafka.Message {
	return kafka.Message{Key: []byte(key), Value: append(schemas.AppendFrame(nil, id), body...)}
}

// write sends messages to the partitions of their keys, as Kafka's own clients choose them.
func (d *demo) write(ctx context.Context, topic string, messages []kafka.Message) error {
	w := kafka.Writer{
		Addr: kafka.TCP(d.kafka.ListenAddrs()...), Topic: topic, Transport: d.transport,
		Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchSize: len(messages), BatchTimeout: time.Millisecond,
	}
	if err := w.WriteMessages(ctx, messages...); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	return w.Close()
}

// watch shows how it goes until every event that was produced is at rest.
func (d *demo) watch(ctx context.Context, running *destination.Destination, produced <-chan error) error {
	every := time.Second
	terminal := isTerminal(d.out)
	if terminal {
		every = 100 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	check := time.NewTicker(20 * time.Millisecond)
	defer check.Stop()
	v := view{out: d.out, terminal: terminal, began: time.Now()}
	allProduced := false
	var atRest int64
	since := time.Now() // when one last came to rest
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-produced:
			if err != nil {
				return err
			}
			allProduced = true
		case <-tick.C:
			v.show(running)
		case <-check.C:
			account := running.Account()
			if allProduced && account.Consumed >= d.expected.produced && account.Unaccounted() == 0 {
				v.show(running)
				return nil
			}
			switch now := account.Consumed - account.Unaccounted(); {
			case now != atRest:
				atRest, since = now, time.Now()
			case time.Since(since) > demoLimit:
				return fmt.Errorf("no event came to rest for %s, and %d are under way", demoLimit, account.Unaccounted())
			}
		}
	}
}

// report prints one record and the account, and fails when they do not add up.
func (d *demo) report(ctx context.Context, account destination.Account) error {
	records := d.kinesis.History(demoStream)
	for _, r := range records {
		if r.PartitionKey == whitePaperProfile {
			fmt.Fprintf(d.out, "\nThe white-paper lead, as it stands on the stream (partition key %s):\n%s\n", r.PartitionKey, r.Data)
		}
	}
	letters, err := d.deadLetters(ctx)
	if err != nil {
		return err
	}
	disorder := 0
	last := map[string]int64{}
	for _, r := range records {
		var document struct{ Loyalty struct{ Points int64 } }
		if err := json.Unmarshal(r.Data, &document); err != nil {
			return fmt.Errorf("a record on the stream is no JSON: %w", err)
		}
		if r.PartitionKey != whitePaperProfile && document.Loyalty.Points <= last[r.PartitionKey] {
			disorder++
		}
		last[r.PartitionKey] = document.Loyalty.Points
	}
	fmt.Fprintf(d.out, "\nThe account\n  consumed          %6d\n  = delivered       %6d\n", account.Consumed, account.Delivered)
	printReasons(d, "filtered", account.Filtered)
	printReasons(d, "dead-lettered", account.DeadLettered)
	counters := d.kinesis.Counters()
	fmt.Fprintf(d.out, "  unaccounted       %6d\n  order violations  %6d\n\n%d records on the stream, %d on %s; the stream throttled %d entries on the way\n",
		account.Unaccounted(), disorder, len(records), letters, demoDeadLetter, counters["ProvisionedThroughputExceededException"])

	var wrong []error
	expect := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			wrong = append(wrong, fmt.Errorf("%s: %v, expected %v", what, got, want))
		}
	}
	expect("consumed", account.Consumed, d.expected.produced)
	expect("delivered", account.Delivered, d.expected.delivered)
	expect("filtered", account.Filtered, d.expected.filtered)
	expect("dead-lettered", account.DeadLettered, d.expected.deadLettered)
	expect("unaccounted", account.Unaccounted(), 0)
	expect("order violations", disorder, 0)
	expect("records on the stream", len(records), d.expected.delivered)
	expect("records on the dead-letter topic", letters, total(d.expected.deadLettered))
	return errors.Join(wrong...)
}

func printReasons(d *demo, outcome string, reasons map[string]int64) {
	fmt.Fprintf(d.out, "  + %-14s  %6d\n", outcome, total(reasons))
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(d.out, "      %-22s %3d\n", reason, reasons[reason])
	}
}

// deadLetters counts what the dead-letter topic holds.
func (d *demo) deadLetters(ctx context.Context) (int64, error) {
	client := kafka.Client{Addr: kafka.TCP(d.kafka.ListenAddrs()...), Transport: d.transport}
	var requests []kafka.OffsetRequest
	for p := range demoPartitions {
		requests = append(requests, kafka.LastOffsetOf(p))
	}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{demoDeadLetter: requests}})
	if err != nil {
		return 0, fmt.Errorf("count dead letters: %w", err)
	}
	var n int64
	for _, p := range res.Topics[demoDeadLetter] {
		if p.Error != nil {
			return 0, fmt.Errorf("count dead letters: %w", p.Error)
		}
		n += p.LastOffset
	}
	return n, nil
}

// view shows the progress: rewritten in place on a terminal, a line now and then elsewhere.
type view struct {
	out interface {
		Write([]byte) (int, error)
	}
	terminal bool
	began    time.Time
	shown    bool
	consumed int64
	at       time.Time
	rate     float64
}

func (v *view) show(running *destination.Destination) {
	a := running.Account()
	var lag, end int64
	for _, p := range running.Stats().Partitions {
		if p.End >= 0 {
			lag += p.End - p.Settled
			end += p.End
		}
	}
	now := time.Now()
	if elapsed := now.Sub(v.at).Seconds(); elapsed > 0.05 && !v.at.IsZero() {
		v.rate = float64(a.Consumed-v.consumed) / elapsed
	}
	v.at, v.consumed = now, a.Consumed
	line := fmt.Sprintf("%5.1fs  %6.0f events/s  consumed %6d  delivered %6d  filtered %5d  dead-lettered %4d  lag %5d  held %d",
		time.Since(v.began).Seconds(), v.rate, a.Consumed, a.Delivered, total(a.Filtered), total(a.DeadLettered), lag, len(running.Holds()))
	if !v.terminal {
		fmt.Fprintln(v.out, line)
		return
	}
	const width = 40
	done := 0
	if end > 0 {
		done = int(width * (end - lag) / end)
	}
	bar := strings.Repeat("█", done) + strings.Repeat("░", width-done)
	if v.shown {
		_ = terminal.Control(v.out, "\x1b[2A") // back to the first of the two lines; nobody could be told
	}
	v.shown = true
	_ = terminal.Control(v.out, fmt.Sprintf("\x1b[2K%s\n\x1b[2K[%s] at rest\n", line, bar))
}
