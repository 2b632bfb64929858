package transform

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"testing"

	"kinesis-destination/schemas"
)

// The contract's worked example.
var (
	//go:embed testdata/white-paper-lead.event.json
	exampleEvent []byte
	//go:embed testdata/white-paper-lead.export.json
	exampleExport []byte
)

func exampleConfig() Config {
	return Config{Activation: Activation{
		Segments: []Segment{
			{ID: "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae", Name: "High propensity to convert"},
			{ID: "7841ba61-23c1-4bb3-a495-00d3g5fe1e93", Name: "Newsletter readers"},
		},
		Attributes:       []string{"person.email"},
		MarketingActions: []string{"exportToThirdParty"},
	}}
}

func mustSchema(t testing.TB, text []byte) *schemas.Schema {
	t.Helper()
	s, err := schemas.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustPlan(t testing.TB, c Config, s *schemas.Schema) *Plan {
	t.Helper()
	r, err := NewRules(c)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(r, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustEvent(t testing.TB, s *schemas.Schema, text []byte) schemas.Event {
	t.Helper()
	body, err := s.EncodeJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.Event{Schema: s, Body: body}
}

func TestContractExampleComesOutByteForByte(t *testing.T) {
	var want bytes.Buffer
	if err := json.Compact(&want, exampleExport); err != nil {
		t.Fatal(err)
	}
	s := mustSchema(t, schemas.SegmentEvaluation)
	d, err := mustPlan(t, exampleConfig(), s).Apply(nil, mustEvent(t, s, exampleEvent), Source{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Outcome != Export || d.PartitionKey != "lead-4711" || string(d.Data) != want.String() {
		t.Errorf("outcome %v, partition key %q, record\n%s\nwant\n%s", d.Outcome, d.PartitionKey, d.Data, want.String())
	}
}

func TestSoftLimitsAreWarnedAbout(t *testing.T) {
	config := Config{}
	for i := range 251 {
		config.Activation.Segments = append(config.Activation.Segments, Segment{ID: fmt.Sprint("s", i)})
		if i < 51 {
			config.Activation.Attributes = append(config.Activation.Attributes, fmt.Sprint("a", i))
		}
	}
	for _, want := range []int{2, 0} { // past the limits, then at them
		rules, err := NewRules(config)
		if err != nil {
			t.Fatal(err)
		}
		if got := rules.Warnings(); len(got) != want {
			t.Errorf("%d warnings wanted: %q", want, got)
		}
		config.Activation.Segments = config.Activation.Segments[:250]
		config.Activation.Attributes = config.Activation.Attributes[:50]
	}
}

func TestReasonsAreAClosedSetOfWords(t *testing.T) {
	seen := map[Reason]bool{}
	for _, reason := range Reasons {
		if seen[reason] || !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(string(reason)) {
			t.Errorf("reason %q", reason)
		}
		seen[reason] = true
	}
}
