package destination

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
	"kinesis-destination/sink/embeddedkinesis"
)

// settleLetters deals with all dead letters, as a redrive or a drop does: it
// settles them in the group that says so.
func (b *bubble) settleLetters(cfg config.Config) {
	b.t.Helper()
	letters := cfg.DeadLetterSource()
	letters.Group = config.SettledGroup(&cfg, "")
	c, err := consumer.New(letters, consumer.Options{Dial: b.network.DialContext, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, func(_ context.Context, m *consumer.Message) error { m.Settle(); return nil })
	}()
	pass(20 * time.Second)
	cancel()
	if err := <-ended; err != nil {
		b.t.Errorf("settle letters: %v", err)
	}
}

// reasonsOf lists why the letters of a profile are dead, in the order of the topic.
func reasonsOf(letters []kafka.Message, profile string) (reasons []string) {
	for _, m := range letters {
		if string(m.Key) != profile {
			continue
		}
		for _, h := range m.Headers {
			if h.Key == "x-reason" {
				reasons = append(reasons, string(h.Value))
			}
		}
	}
	return reasons
}

func TestAParkedIdentityStaysParkedWhoeverOwnsItUntilItsLettersAreDealtWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const park, dead = "deadLetter: {park: true}\n", "lead-00001"
		var refusing atomic.Bool
		b := newBubble(t, 3, embeddedkinesis.Options{Script: func(embeddedkinesis.Call) embeddedkinesis.Action {
			return embeddedkinesis.Action{Entry: func(_ int, key, _ string) string {
				if refusing.Load() && key == dead {
					return "ValidationException"
				}
				return ""
			}}
		}})
		g, o := newLeads(t, 5, 4), newOracle()
		exported := func(n int) int { // events of the dead identity among the next n
			before := len(o.expected[dead])
			b.feed(g, o, n)
			return len(o.expected[dead]) - before
		}
		first := b.start(8080, park)
		delivered := exported(60)
		b.settled(o.total, time.Minute, first)
		refusing.Store(true)
		parked := exported(60)
		b.settled(o.total, time.Minute, first)
		refusing.Store(false)

		parked += exported(60) // the stream would take them now
		second := b.start(8181, park)
		pass(10 * time.Second)
		first.stop(t) // the other owner learns of it from the topic alone
		parked += exported(60)
		b.settled(o.total, time.Minute, first, second)
		letters := reasonsOf(b.letters(), dead)
		if len(letters) != parked || letters[0] != sink.ReasonRejected || strings.Count(strings.Join(letters[1:], " "), sink.ReasonParked) != parked-1 {
			t.Fatalf("%d events after the dead one, letters %q", parked, letters)
		}
		var status Overview
		if _, body := b.get(8181, "/status"); json.Unmarshal([]byte(body), &status) != nil || status.Destinations[0].Sink.Parked != 1 || strings.Contains(body, dead) {
			t.Errorf("/status says\n%s", body)
		}

		b.settleLetters(b.config(park))
		if _, body := b.get(8181, "/status"); !strings.Contains(body, `"parked": 0`) {
			t.Errorf("still parked:\n%s", body)
		}
		delivered += exported(60)
		b.settled(o.total, time.Minute, first, second)
		second.stop(t)
		third := b.start(8080, park) // and what was dealt with parks nobody again
		delivered += exported(60)
		b.settled(o.total, time.Minute, first, second, third)
		third.stop(t)
		if n := len(reasonsOf(b.letters(), dead)); n != parked {
			t.Errorf("%d letters, want %d", n, parked)
		}
		stored := 0
		for _, r := range b.kinesis.History(testStream) {
			if r.PartitionKey == dead {
				stored++
			}
		}
		if stored != delivered {
			t.Errorf("%d stored, want %d", stored, delivered)
		}
		o.expected[dead] = nil // judged above
		if v := o.judge(slices.DeleteFunc(b.kinesis.History(testStream), func(r embeddedkinesis.Record) bool { return r.PartitionKey == dead })); v != (verdict{}) {
			t.Errorf("the others: %+v", v)
		}
	})
}

func TestPartitionsWaitWhileTheLettersOfEarlierOwnersCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const park = "deadLetter: {park: true}\n"
		b := newBubble(t, 1, embeddedkinesis.Options{})
		g, o := newLeads(t, 5, 4), newOracle()
		var down atomic.Bool
		down.Store(true)
		client := kafka.Client{Addr: kafka.TCP("127.0.0.1:9092"), Transport: b.transport}
		if _, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: testLetter, NumPartitions: 1, ReplicationFactor: 1}}}); err != nil {
			t.Fatal(err)
		}
		letter := kafka.Writer{Addr: kafka.TCP("127.0.0.1:9092"), Topic: testLetter, Transport: b.transport, BatchTimeout: time.Millisecond}
		if err := letter.WriteMessages(t.Context(), kafka.Message{Value: []byte("an earlier one")}); err != nil {
			t.Fatal(err)
		}
		if err := letter.Close(); err != nil {
			t.Fatal(err)
		}
		b.kafka.ControlKey(int16(kmsg.OffsetFetch), func(r kmsg.Request) (kmsg.Response, error, bool) {
			b.kafka.KeepControl()
			if down.Load() && strings.HasSuffix(r.(*kmsg.OffsetFetchRequest).Group, ".dead-letters") {
				return nil, errors.New("away"), true
			}
			return nil, nil, false
		})
		first := b.start(8080, park)
		b.feed(g, o, 20)
		pass(time.Minute)
		if n := len(b.kinesis.History(testStream)); n != 0 {
			t.Errorf("%d records were sent", n)
		}
		if _, body := b.get(8080, "/readyz"); !strings.Contains(body, "held: "+sink.HoldDeadLetterTopic) {
			t.Errorf("/readyz says %q", body)
		}
		down.Store(false)
		b.settled(o.total, time.Minute, first)
	})
}
