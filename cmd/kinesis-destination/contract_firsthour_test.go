package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/cockroachdb/datadriven"
	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer/embeddedkafka"
	"kinesis-destination/schemas/embeddedregistry"
	"kinesis-destination/sink/embeddedkinesis"
)

// examples are the files that the documents speak of.
const examples = "../../deployments/examples"

// stranger is who has an own Kafka, registry and stream, an own schema, and the documents. The servers are
// real where the environment names them.
type stranger struct {
	t                                *testing.T
	brokers, registry, stream, admin string
	topic                            string
	kinesis                          *kinesis.Client
	running                          *running
	history                          map[string][]string // the data of the records by their keys, in order
}

func newStranger(t *testing.T) *stranger {
	t.Helper()
	s := &stranger{
		t: t, topic: fmt.Sprintf("lead-scores-%d", time.Now().UnixNano()),
		brokers: os.Getenv("KAFKA_BROKERS"), registry: os.Getenv("SCHEMA_REGISTRY_URL"), stream: os.Getenv("KINESIS_ENDPOINT"),
	}
	if s.brokers == "" {
		cluster, err := embeddedkafka.Start(embeddedkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		s.brokers = cluster.ListenAddrs()[0]
	}
	if s.registry == "" {
		server := httptest.NewServer(embeddedregistry.New())
		t.Cleanup(server.Close)
		s.registry = server.URL
	}
	if s.stream == "" {
		server := httptest.NewServer(embeddedkinesis.New(embeddedkinesis.Options{}))
		t.Cleanup(server.Close)
		s.stream = server.URL
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.admin = free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s.kinesis = kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(s.stream), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "contract", SecretAccessKey: "contract"}, nil
		}),
	})
	s.createStream()
	folder := t.TempDir()
	for _, file := range []string{"lead.avsc", "produce.py", "Produce.java"} {
		text, err := os.ReadFile(filepath.Join(examples, "producers", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(folder)
	t.Setenv("KINESIS_ACCESS_KEY_ID", "contract")
	t.Setenv("KINESIS_SECRET_ACCESS_KEY", "contract")
	return s
}

func (s *stranger) createStream() {
	s.t.Helper()
	ctx, name := s.t.Context(), aws.String(s.topic)
	if _, err := s.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(2)}); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the stream is active", func() bool {
		d, err := s.kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
		return err == nil && d.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

// names are what the documents say, and what it is here.
func (s *stranger) names() [][2]string {
	return [][2]string{
		{"localhost:9092", s.brokers},
		{"http://localhost:8081", s.registry},
		{"http://localhost:4567", s.stream},
		{"localhost:8080", s.admin},
		{"lead-scores", s.topic},
	}
}

func (s *stranger) real(text string) string {
	for _, n := range s.names() {
		text = strings.ReplaceAll(text, n[0], n[1])
	}
	return text
}

var (
	changing = []struct {
		what *regexp.Regexp
		said string
	}{
		{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`), "TIME"},
		{regexp.MustCompile(`\b\d{13}\b`), "MILLIS"},
		{regexp.MustCompile(`schema id \d+`), "schema id N"},
		{regexp.MustCompile(`in \d+\.\d s`), "in N s"},
	}
	// widths of columns, which go by names that are longer here.
	columns = regexp.MustCompile(`  +`)
)

// documented is an output as the documents have it.
func (s *stranger) documented(text string) string {
	for _, n := range s.names() {
		text = strings.ReplaceAll(text, n[1], n[0])
	}
	for _, c := range changing {
		text = c.what.ReplaceAllString(text, c.said)
	}
	return columns.ReplaceAllString(text, "  ")
}

// do runs one step of the transcript.
func (s *stranger) do(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	switch d.Cmd {
	case "file": // as an editor writes it
		name := d.CmdArgs[0].Key
		if err := os.WriteFile(name, []byte(s.real(d.Input)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return ""
	case "records": // so many are on the stream
		var n int
		d.ScanArgs(t, "n", &n)
		eventually(t, "the records are on the stream", func() bool { return s.count() >= n })
		return fmt.Sprintf("%d records\n", s.count())
	case "stop": // SIGTERM
		ended := s.running.stop()
		lines := strings.Split(strings.TrimSpace(ended.stderr), "\n")
		return s.documented(fmt.Sprintf("%s\nexit %d\n", lines[len(lines)-1], ended.code))
	case "sh":
		return s.shell(t, d.Input)
	}
	t.Fatalf("%s: there is no %s", d.Pos, d.Cmd)
	return ""
}

// shell runs a command line of the documents: with & it goes on, with > the output is kept.
func (s *stranger) shell(t *testing.T, line string) string {
	t.Helper()
	line, comment, _ := strings.Cut(s.real(line), "  #")
	_ = comment // is for people
	line, kept, _ := strings.Cut(strings.TrimSpace(line), " > ")
	fields := strings.Fields(line)
	if fields[len(fields)-1] == "&" {
		s.start(fields[1 : len(fields)-1])
		return ""
	}
	got := command(t, "", fields[1:]...)
	if kept != "" {
		if err := os.WriteFile(kept, []byte(got.stdout), 0o600); err != nil {
			t.Fatal(err)
		}
		got.stdout = ""
	}
	text := got.stdout + got.stderr
	if got.code != 0 {
		text += fmt.Sprintf("exit %d\n", got.code)
	}
	return s.documented(text)
}

func (s *stranger) start(args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	s.running = &running{stderr: new(testutil.Buffer)}
	done := make(chan int, 1)
	go func() { done <- execute(ctx, args, strings.NewReader(""), new(testutil.Buffer), s.running.stderr) }()
	ended := false
	var result output
	s.running.stop = func() output {
		if !ended {
			cancel()
			result, ended = output{code: <-done, stderr: s.running.stderr.String()}, true
		}
		return result
	}
	s.t.Cleanup(func() { s.running.stop() })
}

// count reads the stream from its beginning.
func (s *stranger) count() int {
	s.t.Helper()
	ctx := s.t.Context()
	s.history = map[string][]string{}
	shards, err := s.kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: aws.String(s.topic)})
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, shard := range shards.Shards {
		at, err := s.kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: aws.String(s.topic), ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			s.t.Fatal(err)
		}
		got, err := s.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			return 0 // asked too often
		}
		for _, r := range got.Records {
			s.history[*r.PartitionKey] = append(s.history[*r.PartitionKey], string(r.Data))
		}
		n += len(got.Records)
	}
	return n
}

// TestContractAStrangersFirstFifteenMinutes is README's way with an own schema, named and nested otherwise than the example's.
func TestContractAStrangersFirstFifteenMinutes(t *testing.T) {
	transcript, err := filepath.Abs("testdata/firsthour.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := newStranger(t)
	datadriven.RunTest(t, transcript, s.do)
}

// TestContractTheProducersOfTheDocuments: what they write leaves, in order, as the same records.
func TestContractTheProducersOfTheDocuments(t *testing.T) {
	python, jars, java := os.Getenv("PRODUCER_PYTHON"), os.Getenv("PRODUCER_JARS"), os.Getenv("KCL_JAVA")
	if python == "" && jars == "" || os.Getenv("KAFKA_BROKERS") == "" || os.Getenv("SCHEMA_REGISTRY_URL") == "" {
		t.Skip("the producers need their libraries, a real Kafka and a registry: make contract")
	}
	s := newStranger(t)
	const text = `name: lead-scores
source:
  kafka: {brokers: ["localhost:9092"], topic: lead-scores}
  schemaRegistry: {url: "http://localhost:8081"}
target:
  kinesis: {region: us-east-1, stream: lead-scores, endpoint: "http://localhost:4567", credentials: {accessKeyId: contract, secretAccessKey: contract}}
activation: {segments: [{id: hot-leads}], attributes: [contact.email, score]}
server: {listen: "localhost:8080"}
`
	if err := os.WriteFile("leads.yaml", []byte(s.real(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &kafka.Client{Addr: kafka.TCP(strings.Split(s.brokers, ",")...)}
	if _, err := client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: s.topic, NumPartitions: 3, ReplicationFactor: 1}}}); err != nil {
		t.Fatal(err)
	}
	args := []string{s.brokers, s.registry, s.topic, "hot-leads"}
	want := map[string]string{}
	if python != "" {
		c := exec.CommandContext(t.Context(), "python3", append([]string{"produce.py"}, args...)...)
		c.Env = append(os.Environ(), "PYTHONPATH="+python)
		said(t, c)
		want["py-lead-1"] = "ada@example.com"
	}
	if jars != "" {
		said(t, exec.CommandContext(t.Context(), cmp.Or(java, "java"), append([]string{"-Xmx128m", "-cp", filepath.Join(jars, "*"), "Produce.java"}, append(slices.Clone(args), "lead.avsc")...)...))
		want["java-lead-1"] = "grace@example.com"
	}
	s.start([]string{"run", "-c", "leads.yaml"})
	eventually(t, "their events are on the stream", func() bool { return s.count() == 3*len(want) })
	for key, email := range want {
		var story []string
		for _, data := range s.history[key] {
			var r struct {
				Contact           struct{ Email string }
				Score             int
				SegmentMembership map[string]map[string]struct{ Status string }
			}
			if err := json.Unmarshal([]byte(data), &r); err != nil || r.Contact.Email != email {
				t.Errorf("%s: %v: %s", key, err, data)
			}
			story = append(story, fmt.Sprintf("%s %d", r.SegmentMembership["ups"]["hot-leads"].Status, r.Score))
		}
		if !slices.Equal(story, []string{"realized 71", "realized 84", "exited 84"}) {
			t.Errorf("%s: %v", key, story)
		}
	}
	if ended := s.running.stop(); ended.code != 0 {
		t.Errorf("%+v", ended)
	}
}

// said runs a program that must say nothing and end well.
func said(t *testing.T, c *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v: %s", c.Args[0], err, &out)
	}
}

// TestTheProducersOfTheDocumentsAreShort: who reads them copies them.
func TestTheProducersOfTheDocumentsAreShort(t *testing.T) {
	for file, limit := range map[string]int{"produce.py": 31, "Produce.java": 42} {
		text, err := os.ReadFile(filepath.Join(examples, "producers", file))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n > limit {
			t.Errorf("%s has %d lines", file, n)
		}
	}
}
