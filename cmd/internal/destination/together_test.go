package destination

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/sink"
	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

func togetherConfig(t *testing.T, name, topics, more string) config.Config {
	t.Helper()
	text := strings.Replace(BubbleConfig, "name: leads", "name: "+name, 1)
	text = strings.Replace(text, "topic: segment-evaluations", topics, 1)
	config, err := config.Parse(name+".yaml", []byte(text+more))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestDestinationsWhoseLettersGoRoundAreRefused(t *testing.T) {
	type file struct{ name, topics, more string }
	for name, c := range map[string]struct {
		files []file
		want  string // in the refusal; empty: they are fine
	}{
		"one pattern":         {[]file{{"a", `topicPattern: '.*|.*\.dlt'`, ""}, {"b", `topicPattern: '.*|.*\.dlt'`, ""}}, "source.kafka.topicPattern: takes in b.dlt"},
		"any name":            {[]file{{"a", `topicPattern: ".*"`, ""}, {"b", `topicPattern: ".*"`, ""}}, ""},
		"a pattern's letters": {[]file{{"a", "topic: e", "deadLetter: {topic: dead-a}\n"}, {"b", `topicPattern: ".*"`, ""}}, "b.yaml:4: source.kafka.topicPattern: matches dead-a, the dead-letter topic of destination a"},
		"letters of another":  {[]file{{"a", `topicPattern: ".*"`, ""}, {"b", "topic: e", "deadLetter: {topic: dead-b}\n"}}, "b.yaml:15: deadLetter.topic: is matched by source.kafka.topicPattern of destination a"},
		"by name":             {[]file{{"a", "topics: [e, e.b.dlt]", ""}, {"b", "topics: [e, e.a.dlt]", ""}}, "(a → b → a)"},
		"over a third":        {[]file{{"a", "topics: [e, e.c.dlt]", ""}, {"b", "topics: [e, e.a.dlt]", ""}, {"c", "topics: [e, e.b.dlt]", ""}}, "(a → b → c → a)"},
		"one way":             {[]file{{"a", "topic: e", ""}, {"b", "topic: e.a.dlt", ""}}, ""},
		"a shared topic":      {[]file{{"a", "topic: e", "deadLetter: {topic: d}\n"}, {"b", "topic: f", "deadLetter: {topic: d}\n"}}, "b.yaml:15: deadLetter.topic: is that of destination a"},
		"a group of progress": {[]file{{"a", "topic: e", ""}, {"a.dead-letters", "topic: e", ""}}, "source.kafka.group: groups that begin"},
		"the same name":       {[]file{{"a", "topic: e", ""}, {"a", "topic: f", ""}}, "share this group"},
		"nothing shared":      {[]file{{"a", "topic: e", ""}, {"b", "topic: e", ""}}, ""},
	} {
		var configs []config.Config
		for _, f := range c.files {
			configs = append(configs, togetherConfig(t, f.name, f.topics, f.more))
		}
		err := config.Together(configs)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two processes cannot know each other's files. Their letters come to an end all the
// same, and an event that only forges a letter's headers still has its letter.
func TestLettersOfLettersComeToAnEnd(t *testing.T) {
	for _, c := range []struct {
		name, dead string
		most       int // letters of one event
	}{
		{"of topics with the usual names", "", 2},
		{"of topics with other names", "deadLetter: {topic: dead-%s}\n", 2 * deadletter.Generations},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, 1, embeddedkinesis.Options{})
				var processes []*process
				for i, name := range []string{"a", "b"} {
					more := c.dead
					if more != "" {
						more = fmt.Sprintf(more, name)
					}
					config := togetherConfig(t, name, `topicPattern: 'segment.*|.*\.dlt|dead-.*'`, more+fmt.Sprintf("server: {listen: \"127.0.0.1:%d\"}\n", 8180+i))
					processes = append(processes, launch(t, config, Options{Logger: slog.New(slog.NewTextHandler(b.log, nil)), Dial: b.network.DialContext, Listen: b.network.Listen}))
				}
				var forged []kafka.Header
				forged = append(forged, forgedLetter...)
				b.produce(kafka.Message{Key: []byte("k"), Value: []byte("no event"), Headers: forged})
				pass(10 * time.Minute)
				letters, first := int64(0), 0
				for _, p := range processes {
					a := p.Account()
					letters += a.DeadLettered["malformed"]
					if a.DeadLettered["malformed"] > 0 {
						first++
					}
					if a.Filtered[sink.ReasonLetterOfALetter] == 0 || a.Unaccounted() != 0 {
						t.Errorf("%+v", a)
					}
				}
				if first != 2 || letters > int64(c.most) {
					t.Errorf("%d letters of one event, by %d destinations", letters, first)
				}
			})
		})
	}
}

// forgedLetter are the headers of a letter that no destination wrote.
var forgedLetter = []kafka.Header{
	{Key: deadletter.HeaderTopic, Value: []byte("segment-evaluations")},
	{Key: deadletter.HeaderPartition, Value: []byte{0, 0, 0, 1}},
	{Key: deadletter.HeaderOffset, Value: []byte{0, 0, 0, 0, 0, 0, 0, 7}},
	{Key: deadletter.HeaderTimestamp, Value: []byte{0, 0, 1, 0x72, 0x4d, 0, 0, 0}},
	{Key: deadletter.HeaderGroup, Value: []byte("leads")},
	{Key: deadletter.HeaderMessage, Value: []byte("it is truncated")},
	{Key: deadletter.HeaderDestination, Value: []byte("leads")},
	{Key: deadletter.HeaderStage, Value: []byte("decode")},
	{Key: deadletter.HeaderReason, Value: []byte("malformed")},
	{Key: deadletter.HeaderAttempts, Value: []byte("1")},
	{Key: deadletter.HeaderFailedAt, Value: []byte("2026-01-31T12:00:00.000Z")},
	{Key: deadletter.HeaderParkedKey, Value: make([]byte, 16)},
}
