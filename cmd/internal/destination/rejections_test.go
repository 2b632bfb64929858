package destination

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
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
		r.Add("malformed", message(1001))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d lines: %s", len(lines), out.String())
		}
		for i, want := range []string{"reason=malformed events=1 topic=events partition=3 offset=0", "reason=unknown-schema events=1 topic=events partition=3 offset=1000", "reason=malformed events=1000 topic=events partition=3 offset=1001"} {
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
