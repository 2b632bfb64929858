package destination

import (
	"encoding/json"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

const parking = "deadLetter: {park: true}\n"

// parkOne has the identity of the one lead parked, and tells how many letters that took.
func parkOne(t *testing.T) (b *bubble, p *process, letters int64) {
	t.Helper()
	var refusing atomic.Bool
	refusing.Store(true)
	b = newBubble(t, 1, embeddedkinesis.Options{Script: func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Entry: func(int, string, string) string {
			if refusing.Load() {
				return "ValidationException"
			}
			return ""
		}}
	}})
	g, o := newLeads(t, 6, 1), newOracle()
	p = b.start(8080, parking)
	b.feed(g, o, 60)
	b.settled(o.total, time.Minute, p)
	refusing.Store(false)
	letters = int64(len(b.letters()))
	if letters == 0 || b.parked() != 1 {
		t.Fatalf("%d letters, %d parked", letters, b.parked())
	}
	return b, p, letters
}

// parked is how many identities /status says are.
func (b *bubble) parked() int {
	b.t.Helper()
	var status Overview
	if _, body := b.get(8080, "/status"); json.Unmarshal([]byte(body), &status) != nil {
		b.t.Fatal(body)
	}
	return status.Destinations[0].Sink.Parked
}

// dealWith settles the letters before an offset, as a redrive does.
func (b *bubble) dealWith(to int64) {
	b.t.Helper()
	cfg := b.config(parking)
	history, err := consumer.NewHistory(cfg.DeadLetterSource(), b.network.DialContext)
	if err != nil {
		b.t.Fatal(err)
	}
	defer history.Close()
	ledger, err := history.Ledger(b.t.Context(), config.SettledGroup(&cfg, ""), []consumer.Range{{Topic: testLetter, From: 0, To: to}})
	if err != nil {
		b.t.Fatal(err)
	}
	for offset := range to {
		if ledger.Note(&consumer.Message{Topic: testLetter, Offset: offset}, false) {
			ledger.Settle(testLetter, 0, offset)
		}
	}
	if err := ledger.Commit(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// TestAnIdentityWhoseRedriveFailedAgainStaysParked: a letter that was refused once more is a new
// letter, which the process did not write itself. Its first ones are dealt with then.
func TestAnIdentityWhoseRedriveFailedAgainStaysParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p, letters := parkOne(t)
		first := b.letters()[0]
		client := kafka.Client{Addr: kafka.TCP("127.0.0.1:9092"), Transport: b.transport}
		if _, err := client.Produce(t.Context(), &kafka.ProduceRequest{
			Topic: testLetter, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Key: kafka.NewBytes(first.Key), Value: kafka.NewBytes(first.Value), Headers: first.Headers}),
		}); err != nil {
			t.Fatal(err)
		}
		b.dealWith(letters)
		pass(30 * time.Second)
		if b.parked() != 1 {
			t.Error("it is released while a letter of it is open")
		}
		b.dealWith(letters + 1)
		pass(30 * time.Second)
		if b.parked() != 0 {
			t.Error("it is parked though all is dealt with")
		}
		p.stop(t)
	})
}

// TestAnIdentityIsReleasedOnceRetentionTookItsLetters: nobody can redrive or drop what is gone.
func TestAnIdentityIsReleasedOnceRetentionTookItsLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, p, letters := parkOne(t)
		if err := consumer.Erase(t.Context(), b.transport, kafka.TCP("127.0.0.1:9092"), testLetter, 0, letters); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		if b.parked() != 0 {
			t.Error("it is parked though its letters are gone")
		}
		p.stop(t)
	})
}
