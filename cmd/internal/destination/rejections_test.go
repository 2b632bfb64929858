package destination

import (
	"bytes"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// TestDeadLettersSpeakOnceAMinuteForEachReason: all events went to the dead-letter topic
// without a line.
func TestDeadLettersSpeakOnceAMinuteForEachReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		r := rejections{log: slog.New(slog.NewTextHandler(&out, nil))}
		message := func(offset int64) *consumer.Message {
			return &consumer.Message{Topic: "events", Partition: 3, Offset: offset, Key: []byte("lead-4711"), Value: []byte("yourstruly")}
		}
		for i := range int64(1000) {
			r.Add("malformed", message(i))
		}
		r.Add("unknown-schema", message(1000))
		time.Sleep(rejectionPause)
		synctest.Wait()
		r.Add("malformed", message(1001))
		r.Close()
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines: %s", len(lines), out.String())
		}
		for i, want := range []string{"reason=malformed events=1 topic=events partition=3 offset=0", "reason=unknown-schema events=1 topic=events partition=3 offset=1000", "reason=malformed events=999 topic=events partition=3 offset=999", "reason=malformed events=1 topic=events partition=3 offset=1001"} {
			if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "level=WARN") {
				t.Errorf("no %s: %s", want, lines[i])
			}
		}
		if strings.Contains(out.String(), "4711") || strings.Contains(out.String(), "yourstruly") {
			t.Error("the log holds an attribute or identity")
		}
		list := r.List()
		if len(list) != 2 || list[0].Reason != "malformed" || list[0].Count != 1001 || list[0].Offset != 1001 || list[1].Count != 1 {
			t.Errorf("%+v", list)
		}
	})
}

// TestABurstOfDeadLettersIsToldOfWhole: what came within the minute after a line was told
// of with the next letter of that reason, or never.
func TestABurstOfDeadLettersIsToldOfWhole(t *testing.T) {
	m := &consumer.Message{Topic: "events", Offset: 7}
	burst := func(t *testing.T, end func(*rejections)) (told int) {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			r := &rejections{log: slog.New(slog.NewTextHandler(&out, nil))}
			for range 1000 {
				r.Add("malformed", m)
			}
			end(r)
			for _, n := range regexp.MustCompile(`events=(\d+) `).FindAllStringSubmatch(out.String(), -1) {
				one, err := strconv.Atoi(n[1])
				if err != nil {
					t.Fatal(err)
				}
				told += one
			}
			r.Close()
			if before := out.Len(); before > 0 {
				time.Sleep(2 * rejectionPause)
				synctest.Wait()
				if out.Len() != before {
					t.Errorf("it goes on after its end: %s", out.String()[before:])
				}
			}
		})
		return told
	}
	t.Run("when the minute is over", func(t *testing.T) {
		told := burst(t, func(*rejections) {
			time.Sleep(rejectionPause)
			synctest.Wait()
		})
		if told != 1000 {
			t.Errorf("told of %d", told)
		}
	})
	t.Run("when the flow ends before that", func(t *testing.T) {
		if told := burst(t, (*rejections).Close); told != 1000 {
			t.Errorf("told of %d", told)
		}
	})
}

// What a process has not told of yet when it ends is in its log, too.
func TestAProcessThatEndsTellsOfItsLastDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 1, embeddedkinesis.Options{})
		p := b.start(8080, "")
		bad := kafka.Message{Key: []byte("k"), Value: []byte("no frame")}
		b.produce(bad)
		pass(10 * time.Second)
		b.produce(bad, bad)
		pass(10 * time.Second)
		p.stop(t)
		for _, want := range []string{"reason=malformed events=1 ", "reason=malformed events=2 "} {
			if strings.Count(b.log.String(), want) != 1 {
				t.Errorf("not once: %s", want)
			}
		}
	})
}

// TestEveryReasonOfADeadLetterIsThereAtZero: rate() sees no burst of a series that begins with it.
func TestEveryReasonOfADeadLetterIsThereAtZero(t *testing.T) {
	a := newAccount("leads")
	a.Settled(rules.DeadLettered, rules.ReasonMalformed)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(a)
	families, err := registry.Gather()
	n := 0
	for _, f := range families {
		if f.GetName() == "kinesis_destination_events_total" {
			n = len(f.GetMetric())
		}
	}
	if err != nil || n != len(rules.LetterReasons) {
		t.Errorf("%d series of %d reasons: %v", n, len(rules.LetterReasons), err)
	}
	if shown := a.Snapshot(); len(shown.DeadLettered) != 1 {
		t.Errorf("the account shows what never happened: %v", shown.DeadLettered)
	}
}
