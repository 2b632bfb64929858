package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/schemas"
)

func TestSampleEventsGoToAnEmptyTopicOrOneOfTheirOwn(t *testing.T) {
	s := startServers(t)
	for _, want := range []string{"150 events written\n", "150 events written\n"} {
		if got := command(t, "", "produce-sample", "-c", s.configFile, "--count", "150"); got.code != 0 || got.stdout != want {
			t.Fatalf("%+v", got)
		}
	}
	r := s.run()
	eventually(t, "they leave", func() bool { return len(s.kinesis.History(demoStream)) == 300 })
	if got := r.stop(); got.code != 0 {
		t.Errorf("%+v", got)
	}
	s.produce(kafka.Message{Key: []byte("k"), Value: []byte("somebody's")})
	got := command(t, "", "produce-sample", "-c", s.configFile)
	if got.code != exitUsage || !strings.Contains(got.stderr, "messages of others") || !strings.Contains(got.stderr, "--append") || got.stdout != "" {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "produce-sample", "-c", s.configFile, "--append", "--count", "7", "--rate", "1000"); got.stdout != "7 events written\n" {
		t.Errorf("%+v", got)
	}
}

func TestATopicAndASchemaThatAreMissingAreMade(t *testing.T) {
	s := startServers(t)
	file := filepath.Join(t.TempDir(), "destination.yaml")
	if err := os.WriteFile(file, []byte(s.changed("topic: "+demoTopic, "topic: fresh")), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, "", "produce-sample", "-c", file)
	if got.code != exitFailed || !strings.Contains(got.stderr, "subject fresh-value") || !strings.Contains(got.stderr, "--register FILE.avsc") {
		t.Fatalf("%+v", got)
	}
	avsc := filepath.Join(filepath.Dir(file), "event.avsc")
	if err := os.WriteFile(avsc, schemas.SegmentEvaluation, 0o600); err != nil {
		t.Fatal(err)
	}
	got = command(t, "", "produce-sample", "-c", file, "--register", avsc, "--partitions", "3")
	if got.code != 0 || !strings.Contains(got.stderr, "registered for subject fresh-value") || !strings.Contains(got.stderr, "with 3 partitions") {
		t.Fatalf("%+v", got)
	}
	if got := command(t, "", "validate", "--live", "-c", file); !strings.Contains(got.stdout, "topic fresh: 3 partitions") {
		t.Errorf("%+v", got)
	}
	if err := os.WriteFile(avsc, []byte(`{"type": "nothing"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := command(t, "", "produce-sample", "-c", file, "--register", avsc); got.code != exitUsage || !strings.Contains(got.stderr, "invalid schema") {
		t.Errorf("%+v", got)
	}
}

// TestASchemaOfWhichNothingCanLeaveIsNotRegistered: it was, without a word, and every event was a dead letter.
func TestASchemaOfWhichNothingCanLeaveIsNotRegistered(t *testing.T) {
	s := startServers(t)
	s.write(s.changed("topic: "+demoTopic, "topic: fresh"))
	avsc := filepath.Join(filepath.Dir(s.configFile), "event.avsc")
	if err := os.WriteFile(avsc, []byte(`{"type": "record", "name": "X", "fields": [{"name": "a", "type": "string"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, "", "produce-sample", "-c", s.configFile, "--register", avsc)
	if got.code != exitUsage || !strings.Contains(got.stderr, "schemaFile "+avsc+" has no profileId") || !strings.Contains(got.stderr, "nothing was registered") {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "produce-sample", "-c", s.configFile); !strings.Contains(got.stderr, "--register FILE.avsc") {
		t.Errorf("it is there: %+v", got)
	}
}

func TestTheExampleOfASchemaCanBeExplained(t *testing.T) {
	s := startServers(t)
	example := command(t, "", "explain", "-c", s.configFile, "--example")
	if example.code != 0 || strings.Count(example.stdout, "\n") < 20 {
		t.Fatalf("%+v", example)
	}
	got := command(t, example.stdout, "explain", "-c", s.configFile, "-")
	if got.code != 0 || !strings.Contains(got.stderr, "outcome: delivered\n") || !strings.Contains(got.stdout, `"segmentMembership":{"ups":{`) {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "explain", "-c", s.configFile, "--example", "FILE"); got.code != exitUsage || !strings.Contains(got.stderr, "--example") {
		t.Errorf("%+v", got)
	}
}
