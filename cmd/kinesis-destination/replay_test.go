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
		{[]string{"--rate", "-1"}, "--rate -1: must be a number of records a second"},
		{[]string{"--rate", "NaN"}, "--rate NaN: must be a number of records a second"},
		{[]string{"--rate", "Inf"}, "--rate +Inf: must be a number of records a second"},
		{[]string{"--from", "0=0,9=1"}, "0=0,9=1: there is no such partition: they are 0 to 1"},
		{[]string{"--to", "7=1", "--dry-run"}, "7=1: there is no such partition: they are 0 to 1"},
		{[]string{"--from", "tomorrow"}, `--from: "tomorrow" is none of`},
		{[]string{"--to", "1=x"}, `--to: "1=x" is none of`},
		{[]string{"-o", "yaml"}, "-o must be text or json"},
	} {
		if out, _ := s.replay(c.args...); out.code != exitUsage || !strings.Contains(out.stderr, c.want) {
			t.Errorf("%v: %+v", c.args, out)
		}
	}
	out = command(s.t, "", "verify", "-c", s.configFile, "--from", "99=0")
	if out.code != exitUsage || !strings.Contains(out.stderr, "99=0: there is no such partition: they are 0 to 1") {
		t.Errorf("verify: %+v", out)
	}
	// What is refused says nothing of a replay that goes on.
	if out, _ := s.replay("--segment", "nobody"); strings.Contains(out.stderr, "note:") || strings.Contains(out.stderr, "--id") {
		t.Errorf("%+v", out)
	}
	// A name that was typed is looked up before anything is read.
	if out, _ := s.replay("--stream", "nowhere"); out.code != exitFailed || strings.Contains(out.stderr, "should it be interrupted") || !strings.Contains(out.stderr, "--stream nowhere: target.kinesis: describe the stream: ResourceNotFoundException") {
		t.Errorf("%+v", out)
	}
}

func (s *servers) produceExample(n int) {
	s.t.Helper()
	body := s.exampleBody()
	for range n {
		s.produce(kafka.Message{Key: []byte("lead-4711"), Value: append(schemas.AppendFrame(nil, s.schemaID), body...)})
	}
}
