package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/sink/embeddedkinesis"
)

const (
	exampleEvent  = "testdata/white-paper-lead.event.json"
	exampleExport = "testdata/white-paper-lead.export.json"
)

// compacted is the contract's example export, in one line.
func compacted(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(exampleExport)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExplainPrintsTheRecordThatRunPuts(t *testing.T) {
	s := startServers(t)
	explained := command(t, "", "explain", "-c", s.configFile, exampleEvent)
	if explained.code != 0 || explained.stdout != compacted(t)+"\n" {
		t.Errorf("exit %d, %s\n%s", explained.code, explained.stdout, explained.stderr)
	}
	for _, want := range []string{"outcome: delivered\n", "trigger: segment\n", "rule: 2: ", "partition key: lead-4711\n", "schema: subject segment-evaluations-value, version 1\n"} {
		if !strings.Contains(explained.stderr, want) {
			t.Errorf("the story lacks %q:\n%s", want, explained.stderr)
		}
	}
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	if piped := command(t, string(event), "explain", "-c", s.configFile, "-"); piped.stdout != explained.stdout {
		t.Errorf("from standard input: %+v", piped)
	}
	s.produce(kafka.Message{Key: []byte("lead-4711"), Value: s.framed(event)})
	if read := command(t, "", "explain", "-c", s.configFile, "--topic", demoTopic, "--partition", "1", "--offset", "0"); read.code != 0 || read.stdout != explained.stdout {
		t.Errorf("from Kafka: %+v", read)
	}

	r := s.run()
	eventually(t, "the record is on the stream", func() bool { return len(s.kinesis.History(demoStream)) == 1 })
	if ended := r.stop(); ended.code != 0 || ended.stdout != "" {
		t.Errorf("run: %+v", ended)
	}
	if record := s.kinesis.History(demoStream)[0]; record.PartitionKey != "lead-4711" || string(record.Data)+"\n" != explained.stdout {
		t.Errorf("run put %s: %s", record.PartitionKey, record.Data)
	}
}

func TestExplainOfWhatDoesNotLeavePrintsNothing(t *testing.T) {
	s := startServers(t)
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	unmapped := strings.Replace(string(event), `["7841ba61-23c1-4bb3-a495-00d3g5fe1e93", "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"]`, `["another"]`, 1)
	nobody := strings.Replace(string(event), `"profileId": "lead-4711"`, `"profileId": ""`, 1)
	for _, c := range []struct{ name, event, story string }{
		{"filtered", unmapped, "outcome: filtered\n"},
		{"dead letter", nobody, "outcome: dead_lettered\nstage: transform\n"},
	} {
		got := command(t, c.event, "explain", "-c", s.configFile, "-")
		if got.code != 0 || got.stdout != "" || !strings.HasPrefix(got.stderr, c.story) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	got := command(t, unmapped, "explain", "-c", s.configFile, "-o", "json", "-")
	if want := `{"outcome":"filtered","reason":"unmapped-segment","rule":3,"partitionKey":"","record":null}` + "\n"; got.stdout != want || got.stderr != "" || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestExplainShowsWhatPolicyHolds(t *testing.T) {
	s := startServers(t)
	s.write(s.forbidden())
	got := command(t, "", "explain", "-c", s.configFile, exampleEvent)
	if got.code != 0 || got.stdout != "" || !strings.HasPrefix(got.stderr, "outcome: held\n") {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{"reason: policy-violation\n", "rule: 26: ", "forbids exportToThirdParty", "label weighed: C2 on mobilePhone.number"} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("the story lacks %q:\n%s", want, got.stderr)
		}
	}
}

func TestExplainFailsWhenTheRegistryIsAway(t *testing.T) {
	s := startServers(t)
	s.registry.SetStatus(http.StatusServiceUnavailable)
	got := command(t, "", "explain", "-c", s.configFile, exampleEvent)
	if got.code != exitFailed || got.stdout != "" || !strings.Contains(got.stderr, "look up the event's schema (or give one with --schema): ") {
		t.Errorf("%+v", got)
	}
	withSchema := command(t, "", "explain", "-c", s.configFile, "--schema", "../../schemas/segment-evaluation.avsc", exampleEvent)
	if withSchema.code != 0 || withSchema.stdout != compacted(t)+"\n" {
		t.Errorf("with a schema at hand: %+v", withSchema)
	}
}

func TestExplainAsJSONHasFiveKeys(t *testing.T) {
	s := startServers(t)
	got := command(t, "", "explain", "-c", s.configFile, "-o", "json", exampleEvent)
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(got.stdout), &object); err != nil || got.code != 0 || got.stderr != "" {
		t.Fatalf("%v: %+v", err, got)
	}
	if keys := slices.Sorted(maps.Keys(object)); !slices.Equal(keys, []string{"outcome", "partitionKey", "reason", "record", "rule"}) {
		t.Errorf("keys %v", keys)
	}
	if string(object["record"]) != compacted(t) || string(object["rule"]) != "2" || string(object["outcome"]) != `"delivered"` {
		t.Errorf("%s", got.stdout)
	}
}

func TestExplainRefusesWhatItCannotReadWithoutQuotingIt(t *testing.T) {
	s := startServers(t)
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := string(event)
	wrong := file("wrong.json", strings.Replace(text, `{"string": "yourstruly@adobe.con"}`, `{"int": 4711}`, 1))
	torn := file("torn.json", text[:len(text)/2])
	unquoted := file("unquoted.json", strings.Replace(text, `"lead-4711"`, `lead-4711`, 1))
	other := file("other.avsc", `{"type": "record", "name": "Other", "fields": [{"name": "count", "type": "int"}]}`)
	for _, c := range []struct {
		name, message string
		args          []string
	}{
		{"wrong type", wrong + ": $.attributes.person.email: ", []string{wrong}},
		{"torn", torn + ":12: read JSON: ", []string{torn}},
		{"unquoted", unquoted + ":4: read JSON: ", []string{unquoted}},
		{"missing", "read the event: gone.json: no such file", []string{"gone.json"}},
		{"missing schema", "gone.avsc: ", []string{"--schema", "gone.avsc", exampleEvent}},
		{"no schema", exampleEvent + ": ", []string{"--schema", exampleEvent, exampleEvent}},
		{"another schema", exampleEvent + ": $: Other has no field", []string{"--schema", other, exampleEvent}},
	} {
		got := command(t, "", append([]string{"explain", "-c", s.configFile}, c.args...)...)
		if got.code != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, c.message) {
			t.Errorf("%s: %+v", c.name, got)
		}
		for _, value := range []string{"lead-4711", "yourstruly", "4711"} {
			if strings.Contains(got.stderr, value) {
				t.Errorf("%s: %s is quoted: %s", c.name, value, got.stderr)
			}
		}
	}
}

func TestExplainReadsDeadLettersAsTheMessagesThatTheyWere(t *testing.T) {
	s := startServers(t)
	s.write(s.changed("    region:", "    metadata: true\n    region:")) // it shows where a record comes from
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	good := s.framed(event)
	nobody := s.framed([]byte(strings.Replace(string(event), `"profileId": "lead-4711"`, `"profileId": ""`, 1)))
	s.produce(kafka.Message{Key: []byte("gone")}, kafka.Message{Key: []byte("k"), Value: good},
		kafka.Message{Key: []byte("k"), Value: nobody}, kafka.Message{Key: []byte("k"), Value: []byte("no Avro")})
	r := s.run()
	letters := demoTopic + ".leads.dlt"
	at := func(topic string, offset int, more ...string) output {
		t.Helper()
		return command(t, "", append([]string{"explain", "-c", s.configFile, "--topic", topic, "--partition", "1", "--offset", fmt.Sprint(offset)}, more...)...)
	}
	eventually(t, "both dead letters are there", func() bool { return at(letters, 1).code == 0 })
	if ended := r.stop(); ended.code != 0 {
		t.Errorf("run: %+v", ended)
	}

	if got := at(demoTopic, 0, "-o", "json"); got.stdout != `{"outcome":"filtered","reason":"tombstone","rule":10,"partitionKey":"","record":null}`+"\n" {
		t.Errorf("a tombstone: %+v", got)
	}
	if got := at(demoTopic, 1); !strings.Contains(got.stdout, `"_source":{"topic":"segment-evaluations","partition":1,"offset":1,`) || strings.Contains(got.stderr, "dead letter") {
		t.Errorf("an event: %+v", got)
	}
	var found []string
	for offset := range 2 {
		got := at(letters, offset)
		found = append(found, got.stderr)
		if got.code != 0 || got.stdout != "" {
			t.Errorf("letter %d: %+v", offset, got)
		}
	}
	story := strings.Join(found, "\n")
	for _, want := range []string{
		"outcome: dead_lettered\nstage: transform\n", "reason: missing-profile-id\n", "outcome: dead_lettered\nstage: decode\nreason: malformed\n",
		"dead letter: from topic segment-evaluations, partition 1, offset 2\n", "dead letter: from topic segment-evaluations, partition 1, offset 3\n",
		"dead letter: x-destination leads\n", "dead letter: x-stage decode\n", "dead letter: x-reason malformed\n",
		"dead letter: x-stage transform\n", "dead letter: x-reason missing-profile-id\n",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in\n%s", want, story)
		}
	}
	for _, c := range []struct {
		got     output
		message string
	}{
		{at(demoTopic, 4), "offset 4: no message yet: the partition has 0 to 3"},
		{at(demoTopic, 99), "offset 99: no message: the partition has 0 to 3"},
		{at("elsewhere", 0), "elsewhere"},
	} {
		if c.got.code != exitFailed || c.got.stdout != "" || !strings.Contains(c.got.stderr, c.message) {
			t.Errorf("%s: %+v", c.message, c.got)
		}
	}
}

func TestExplainOfAMessageAsItStandsInKafka(t *testing.T) {
	s := startServers(t)
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	framed := s.framed(event)
	file := filepath.Join(t.TempDir(), "message.bin")
	if err := os.WriteFile(file, framed, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--raw", file}, {file, "--raw"}, {"--raw", "-"}} {
		got := command(t, string(framed), append([]string{"explain", "-c", s.configFile}, args...)...)
		if got.code != 0 || got.stdout != compacted(t)+"\n" || !strings.Contains(got.stderr, "schema: schema id 1\n") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	for text, story := range map[string]string{"": "reason: malformed\n", "\x00\x00\x00\x00\x63x": "reason: unknown-schema\n", string(framed[:40]): "reason: malformed\n", string(event): "reason: malformed\n"} {
		got := command(t, text, "explain", "-c", s.configFile, "--raw", "-")
		if got.code != 0 || got.stdout != "" || !strings.HasPrefix(got.stderr, "outcome: dead_lettered\nstage: decode\n") || !strings.Contains(got.stderr, story) {
			t.Errorf("%.20q: %+v", text, got)
		}
	}
	for _, args := range [][]string{{"--raw"}, {"--raw", file, "--schema", "x.avsc"}, {"--raw", file, "--topic", "t"}, {"--raw", filepath.Join(t.TempDir(), "gone")}} {
		if got := command(t, "", append([]string{"explain", "-c", s.configFile}, args...)...); got.code != exitUsage {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestExplainSaysWhatTheStreamWouldNotTake(t *testing.T) {
	s := startServers(t)
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Replace(string(event), `"profileId": "lead-4711"`, `"profileId": "`+strings.Repeat("é", 257)+`"`, 1)
	fits := strings.Replace(string(event), `"profileId": "lead-4711"`, `"profileId": "`+strings.Repeat("é", 256)+`"`, 1)
	large := strings.Replace(string(event), "yourstruly@adobe.con", strings.Repeat("y", 1<<20), 1)
	for _, c := range []struct{ name, event, outcome, reason string }{
		{"key of 257 characters", long, "dead_lettered", "invalid-partition-key"},
		{"key of 256 characters", fits, "delivered", ""},
		{"record of a megabyte", large, "dead_lettered", "record-too-large"},
	} {
		got := command(t, c.event, "explain", "-c", s.configFile, "-o", "json", "-")
		var said struct {
			Outcome, Reason string
			Rule            int
			Record          json.RawMessage
		}
		if err := json.Unmarshal([]byte(got.stdout), &said); err != nil || got.code != 0 || got.stderr != "" {
			t.Errorf("%s: %v, %+v", c.name, err, got)
		}
		if said.Outcome != c.outcome || said.Reason != c.reason || (string(said.Record) == "null") != (c.reason != "") || c.reason != "" && said.Rule != 0 {
			t.Errorf("%s: %s %s rule %d", c.name, said.Outcome, said.Reason, said.Rule)
		}
		if got := command(t, c.event, "explain", "-c", s.configFile, "-"); c.reason != "" && (got.stdout != "" || !strings.HasPrefix(got.stderr, "outcome: dead_lettered\nstage: sink\n")) {
			t.Errorf("%s: %.300s", c.name, got.stderr)
		}
	}
	s.kinesis.Create(embeddedkinesis.Stream{Name: "roomy", Shards: 1, MaxRecordBytes: 10 << 20})
	s.write(s.changed("stream: "+demoStream, "stream: roomy"))
	if got := command(t, large, "explain", "-c", s.configFile, "-"); got.code != 0 || !strings.HasPrefix(got.stderr, "outcome: delivered\n") {
		t.Errorf("a stream that takes 10 MiB: %.300s", got.stderr)
	}
}

// TestExplainNamesAllThatAnEventLacksAtOnce: one was told at a time.
func TestExplainNamesAllThatAnEventLacksAtOnce(t *testing.T) {
	s := startServers(t)
	const event = `{"profileID": "lead-4711", "segmentMembership": {"ups": {"59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae": {"status": "realised"}}},
	 "identityMap": {"ecid": [{"id": 17}]}, "changed": {"segments": "yourstruly"}}`
	got := command(t, event, "explain", "-c", s.configFile, "-")
	for _, want := range []string{
		"standard input: $: profile.segmentation.v1.SegmentEvaluation has no field \"profileID\" (did you mean profileId?)\n",
		"standard input: $.profileId: missing, and has no default\n",
		"$.eventId: missing", "$.changed.segments: must be array",
		"$.segmentMembership[\"ups\"][\"59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae\"].status: must be one of realized, existing, exited\n",
		"$.identityMap[\"ecid\"][0].id: must be string",
	} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("without %q:\n%s", want, got.stderr)
		}
	}
	if got.code != exitUsage || strings.Contains(got.stderr, "4711") || strings.Contains(got.stderr, "yourstruly") {
		t.Errorf("%+v", got)
	}
	many := command(t, "{"+strings.Repeat(`"x": 1, `, 10_000)+`"y": 2}`, "explain", "-c", s.configFile, "-")
	if n := strings.Count(many.stderr, "\n"); many.code != exitUsage || n != 20 {
		t.Errorf("%d lines", n)
	}
}
