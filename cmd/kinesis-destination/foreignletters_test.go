package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/deadletter"
)

const demoLetters = demoTopic + ".leads.dlt"

// makeLetterTopic makes the dead-letter topic with a limit of its own.
func (s *servers) makeLetterTopic(limit string) {
	s.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(s.kafka.ListenAddrs()...), Transport: s.transport}
	res, err := client.CreateTopics(s.t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: demoLetters, NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: limit}},
	}}})
	if err != nil || res.Errors[demoLetters] != nil {
		s.t.Fatal(err, res)
	}
	eventually(s.t, "the topic is there", func() bool {
		meta, err := client.Metadata(s.t.Context(), &kafka.MetadataRequest{Topics: []string{demoLetters}})
		return err == nil && meta.Topics[0].Error == nil
	})
}

func TestWhatIsNoLetterIsListedAsForeignAndCanBeDropped(t *testing.T) {
	s := startServers(t)
	s.write(s.changed("server:", "deadLetter: {park: true}\nserver:"))
	s.makeLetterTopic("1000000")
	header := func(key, value string) kafka.Header { return kafka.Header{Key: key, Value: []byte(value)} }
	foreign := []kafka.Message{
		{Value: []byte("no headers")},
		{Headers: []kafka.Header{header(deadletter.HeaderDestination, "leads"), header(deadletter.HeaderReason, "malformed"), header(deadletter.HeaderOffset, "12345678")}}, // it ended run and list
		{Headers: []kafka.Header{header(deadletter.HeaderTopic, demoTopic), header(deadletter.HeaderPartition, "\xff\xff\xff\xff"), header(deadletter.HeaderOffset, "12345678")}},
	}
	w := kafka.Writer{Addr: kafka.TCP(s.kafka.ListenAddrs()...), Topic: demoLetters, Transport: s.transport, Balancer: kafka.BalancerFunc(func(kafka.Message, ...int) int { return 1 }), BatchTimeout: time.Millisecond}
	if err := errors.Join(w.WriteMessages(t.Context(), foreign...), w.Close()); err != nil {
		t.Fatal(err)
	}
	s.letters(0, 2) // run starts and writes its own behind them
	list := command(t, "", "dead-letters", "list", "-c", s.configFile)
	for _, want := range []string{"2 open dead letters", "No letters of this destination:", "header kafka_dlt-original-topic is missing", "header kafka_dlt-original-partition is not what a letter has", " 1@0 "} {
		if list.code != 0 || !strings.Contains(list.stdout, want) {
			t.Errorf("list lacks %q: %+v", want, list)
		}
	}
	for offset := range foreign {
		out := command(t, "", "dead-letters", "show", "-c", s.configFile, "--partition", "1", "--offset", fmt.Sprint(offset))
		if out.code != exitFailed || !strings.Contains(out.stderr, "no dead letter of this destination: header ") {
			t.Errorf("show: %+v", out)
		}
	}
	if a := s.redrive(); a.Selected != 2 || a.DeadLettered["malformed"] != 2 {
		t.Errorf("%+v", a)
	}
	drop := func(args ...string) string {
		return strings.Join(strings.Fields(command(t, "", append([]string{"dead-letters", "drop", "-c", s.configFile}, args...)...).stdout), " ")
	}
	if got := drop("--all"); got != "dropped 2 erased from Kafka 0" {
		t.Errorf("foreign ones are not all: %s", got)
	}
	if got := drop("--reason", "foreign"); got != "dropped 3 erased from Kafka 7" {
		t.Error(got)
	}
}

func TestALetterWithoutItsValueIsRedrivenFromTheSource(t *testing.T) {
	s := startServers(t)
	s.makeLetterTopic("4000")
	noise := make([]byte, 8000)
	_, _ = rand.Read(noise)
	for range 2 {
		s.produce(kafka.Message{
			Key: []byte("lead-4711"), Value: append(schemas.AppendFrame(nil, s.schemaID+1), s.exampleBody()...), Headers: []kafka.Header{{Key: "noise", Value: noise}},
		})
	}
	register := s.lettersBeside(2, 0, 2) // two malformed ones come after them
	register()
	show := func(offset int) output {
		return command(t, "", "dead-letters", "show", "-c", s.configFile, "--partition", "1", "--offset", fmt.Sprint(offset), "--reveal")
	}
	if out := show(0); out.code != 0 || !strings.Contains(out.stdout, "left out of the letter: length=") || !strings.Contains(out.stdout, "yourstruly@adobe.con") || !strings.Contains(out.stdout, "header noise") {
		t.Errorf("%+v", out)
	}
	explain := func() output {
		return command(t, "", "explain", "-c", s.configFile, "--topic", demoLetters, "--partition", "1", "--offset", "0")
	}
	if out := explain(); out.code != 0 || out.stdout != compacted(t)+"\n" {
		t.Errorf("explained as %+v", out)
	}
	s.truncate(demoTopic, 1, 1)
	if out := explain(); out.code != 0 || out.stdout != "" || !strings.Contains(out.stderr, "value-gone") || !strings.Contains(out.stderr, "no longer has") {
		t.Errorf("explained as %+v", out)
	}
	if out := show(0); out.code != 0 || !strings.Contains(out.stdout, "a redrive leaves it: value-gone") {
		t.Errorf("%+v", out)
	}
	if a := s.redrive(); a.Selected != 4 || a.Left["value-gone"] != 1 || a.Delivered != 1 || a.DeadLettered["malformed"] != 2 {
		t.Errorf("%+v", a)
	}
	if records := s.kinesis.History(demoStream); len(records) != 1 || string(records[0].Data) != compacted(t) {
		t.Errorf("%d records", len(records))
	}
}

func TestLogLinesAreCutToTheLimitOfExplanations(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var out testutil.Buffer
		log, err := logger(&out, format, "info")
		if err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("é", 1<<20)
		log.Error("held", "error", errors.New(long), "words", long)
		if n := len(out.String()); n > 3*deadletter.TextLimit {
			t.Errorf("%s: a line of %d bytes", format, n)
		}
	}
}
