package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestASourceTopicHasANameThatKafkaAllows: the complaint was of the dead-letter topic, without a line, or there was none.
func TestASourceTopicHasANameThatKafkaAllows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leads.yaml")
	const rest = `
  schemaRegistry: {url: "http://localhost:8081"}
target: {kinesis: {region: us-east-1, stream: leads}}
activation: {segments: [{id: one}]}
`
	const must = " must be 1 to 249 letters, digits, '.', '_' or '-'\n"
	for _, c := range []struct{ topics, more, want string }{
		{"topic: a b", "", ":3: source.kafka.topic:" + must},
		{"topic: a b", "deadLetter: {topic: letters}\n", ":3: source.kafka.topic:" + must},
		{"topic: ..", "", ":3: source.kafka.topic:" + must},
		{"topics: [good, a/b, c d]", "deadLetter: {topic: letters}\n", ":3: source.kafka.topics[1]:" + must + file + ":3: source.kafka.topics[2]:" + must},
		{"topics: [good, '']", "", ":3: source.kafka.topics[1]:" + must},
		{"topics: [good, good]", "", ":3: source.kafka.topics: must be names, each given once\n"},
		{"topicPattern: 'a b.*'", "deadLetter: {topic: letters}\n", ""},
	} {
		if err := os.WriteFile(file, []byte("name: leads\nsource:\n  kafka: {brokers: [\"localhost:9092\"], "+c.topics+"}"+rest+c.more), 0o600); err != nil {
			t.Fatal(err)
		}
		want := c.want
		if want != "" {
			want = file + want
		}
		if got := command(t, "", "validate", "-c", file); got.stderr != want || (c.want == "") != (got.code == 0) {
			t.Errorf("%s: %+v", c.topics, got)
		}
	}
}
