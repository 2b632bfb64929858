package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas"
)

type replayAccount struct {
	Consumed, Delivered    int
	Filtered, DeadLettered map[string]int
	Seconds                *float64
	Estimate               *struct{ Records, Shards int }
}

func (s *servers) replay(args ...string) (output, replayAccount) {
	s.t.Helper()
	out := command(s.t, "", append([]string{"replay", "-c", s.configFile, "--from", "earliest", "--to", "latest", "-o", "json"}, args...)...)
	var a replayAccount
	if out.code == 0 {
		if err := json.Unmarshal([]byte(out.stdout), &a); err != nil {
			s.t.Fatalf("%v: %+v", err, out)
		}
	}
	return out, a
}

func TestReplayEndsWithACountOfEveryEvent(t *testing.T) {
	s := startServers(t)
	s.produceExample(3)
	s.produce(kafka.Message{Key: []byte("x"), Value: []byte("no Avro")}, kafka.Message{Key: []byte("x")})
	out, dry := s.replay("--dry-run")
	if dry.Consumed != 5 || dry.Delivered != 3 || dry.Estimate == nil || dry.Estimate.Records != 3 || dry.Estimate.Shards == 0 || dry.Seconds == nil {
		t.Errorf("%+v: %+v", dry, out)
	}
	out, a := s.replay()
	if a.Consumed != 5 || a.Delivered != 3 || a.Filtered["tombstone"] != 1 || a.DeadLettered["malformed"] != 1 || a.Estimate != nil {
		t.Errorf("%+v: %+v", a, out)
	}
	if !strings.Contains(out.stderr, "give --id 20") {
		t.Errorf("it does not say under which id it goes on: %s", out.stderr)
	}
	if !strings.Contains(out.stderr, "old states will stand after newer ones") {
		t.Errorf("it does not warn: %s", out.stderr)
	}
	text := command(t, "", "replay", "-c", s.configFile, "--from", "earliest", "--to", "latest", "--latest-only", "--id", "a")
	if strings.Contains(text.stderr, "old states") {
		t.Errorf("it warns of what it does not do: %s", text.stderr)
	}
	for _, line := range []string{"events                                       5\n", "= delivered                                  1\n", "+ filtered: superseded                       2\n"} {
		if !strings.Contains(text.stdout, line) {
			t.Errorf("no line %q: %+v", line, text)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--id", "a"}, "this --id was begun with another"},
		{[]string{"--segment", "nobody"}, `has no segment "nobody", which --segment names; it has 59bd2fkd`},
		{[]string{"--stream", "no stream!"}, "target.kinesis.stream: "},
		{[]string{"--id", "a b"}, "--id must be letters"},
		{[]string{"--rate", "-1"}, "--rate not negative"},
		{[]string{"--rate", "NaN"}, "--rate not negative"},
		{[]string{"--rate", "Inf"}, "--rate not negative"},
		{[]string{"--from", "tomorrow"}, `--from: "tomorrow" is none of`},
		{[]string{"--to", "1=x"}, `--to: "1=x" is none of`},
		{[]string{"-o", "yaml"}, "-o must be text or json"},
	} {
		if out, _ := s.replay(c.args...); out.code != exitUsage || !strings.Contains(out.stderr, c.want) {
			t.Errorf("%v: %+v", c.args, out)
		}
	}
}

func (s *servers) produceExample(n int) {
	s.t.Helper()
	body := s.exampleBody()
	for range n {
		s.produce(kafka.Message{Key: []byte("lead-4711"), Value: append(schemas.AppendFrame(nil, s.schemaID), body...)})
	}
}
