package sink

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v3"

	"kinesis-destination/sink/deadletter"
	"kinesis-destination/sink/embeddedkinesis"
)

const goodConfig = `
region: us-east-1
stream: high-propensity-leads
credentials: {roleArn: "arn:aws:iam::123456789012:role/leads", externalId: x}
aggregation: none
retry: {initialInterval: 100ms, maxInterval: 30s, maxElapsedTime: 0s}
`

func parseConfig(t *testing.T, text string) Config {
	t.Helper()
	var c Config
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func mistakes(validate func(func(path, message string))) []string {
	var found []string
	validate(func(path, message string) { found = append(found, path+": "+message) })
	return found
}

func TestConfigReadsTheDocumentedBlock(t *testing.T) {
	c := parseConfig(t, goodConfig)
	if found := mistakes(c.Validate); len(found) > 0 {
		t.Error(found)
	}
	want := Retry{100 * time.Millisecond, 30 * time.Second, 0}
	if c.Retry != want || c.Credentials.ExternalID != "x" {
		t.Errorf("%+v", c)
	}
}

// TestARegionThatIsNoneIsWarnedOf, for behind an endpoint it is taken.
func TestARegionThatIsNoneIsWarnedOf(t *testing.T) {
	for region, meant := range map[string]string{"us-east1": "us-east-1", "eu-centrl-1": "eu-central-1", "us-east-1": "", "local": "", "": ""} {
		c := Config{Region: region, Endpoint: "http://localhost:4567"}
		got := strings.Join(c.Warnings(), "\n")
		if meant == "" && got != "" || meant != "" && (!strings.Contains(got, "target.kinesis.region: "+region) || !strings.Contains(got, "did you mean "+meant+"?")) {
			t.Errorf("%q: %q", region, got)
		}
	}
}

func TestConfigReportsAllMistakesWithTheirPaths(t *testing.T) {
	c := parseConfig(t, `
region: US East
stream: "not a name"
endpoint: localhost
credentials: {externalId: x}
aggregation: zip
retry: {initialInterval: 1m, maxInterval: 1s, maxElapsedTime: -1s}
`)
	c.Credentials.AccessKeyID = fixed("a")
	d := deadletter.Config{Topic: "a b", OnExhausted: "drop"}
	found := append(mistakes(c.Validate), mistakes(d.Validate)...)
	var paths []string
	for _, f := range found {
		path, _, _ := strings.Cut(f, ":")
		paths = append(paths, path)
	}
	want := []string{
		"target.kinesis.region", "target.kinesis.stream", "target.kinesis.endpoint",
		"target.kinesis.credentials.accessKeyId", "target.kinesis.credentials.externalId",
		"target.kinesis.aggregation", "target.kinesis.retry.maxElapsedTime", "target.kinesis.retry.initialInterval",
		"deadLetter.topic", "deadLetter.onExhausted",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("reported %q", found)
	}
}

func TestStreamARNMustBeOfTheRegion(t *testing.T) {
	for arn, ok := range map[string]bool{
		"arn:aws:kinesis:us-east-1:123456789012:stream/leads":      true,
		"arn:aws-cn:kinesis:us-east-1:123456789012:stream/leads":   true,
		"arn:aws:kinesis:eu-west-1:123456789012:stream/leads":      false,
		"arn:aws:firehose:us-east-1:123456789012:stream/leads":     false,
		"arn:aws:kinesis:us-east-1:123456789012:stream/le ads":     false,
		"arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer": false,
	} {
		c := Config{Region: "us-east-1", Stream: arn}
		if found := mistakes(c.Validate); (len(found) == 0) != ok {
			t.Errorf("%s: %v", arn, found)
		}
	}
}

func TestCheckTellsEverythingThatIsWrong(t *testing.T) {
	cases := map[string]struct {
		world worldOptions
		want  []string
	}{
		"all well": {worldOptions{}, nil},
		"no stream, no source topic": {worldOptions{missing: true, options: func(o *Options) { o.SourceTopics = []string{"nowhere"} }}, []string{
			"target.kinesis: describe the stream: ResourceNotFoundException", "deadLetter: create the dead-letter topic: count the partitions of topic nowhere",
		}},
		"wrong key":    {worldOptions{kinesis: embeddedkinesis.Options{AccessKeyID: "other"}}, []string{"target.kinesis: describe the stream: UnrecognizedClientException"}},
		"keys ignored": {worldOptions{stream: embeddedkinesis.Stream{OnDemand: true, Strategy: "AUTO"}}, []string{"target.kinesis: the stream's record distribution strategy is AUTO"}},
		"no broker":    {worldOptions{options: func(o *Options) { o.Brokers = []string{"localhost:1"} }}, []string{"deadLetter: look up the dead-letter topic"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.world)
				opts := w.sink.opts
				if opts.SourceTopics == nil {
					opts.SourceTopics = []string{testTopic}
				}
				found := slices.DeleteFunc([]error{CheckStream(t.Context(), w.sink.cfg, opts), CheckLetters(t.Context(), opts)}, func(err error) bool { return err == nil })
				if len(found) != len(c.want) {
					t.Fatalf("found %v", found)
				}
				for i, err := range found {
					if !strings.HasPrefix(fmt.Sprint(err), c.want[i]) {
						t.Errorf("found %q, want %q…", err, c.want[i])
					}
					if strings.Contains(err.Error(), "secret") {
						t.Errorf("tells a credential: %v", err)
					}
				}
				if w.letters() != nil {
					t.Error("checking created the topic")
				}
			})
		})
	}
}
