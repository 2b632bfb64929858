package transform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.yaml.in/yaml/v3"

	"kinesis-destination/schemas"
)

// ruleCount is how many of the contract's rules are about content. TestRule/01-… runs testdata/rules/01-….txt.
const ruleCount = 28

// fixture is the destination that the rules are told by: segments A, B and C are mapped, under merge policy M1.
const fixture = `
activation:
  segments: [{id: A}, {id: B}, {id: C}]
  attributes: [person.name.firstName, person.name.lastName, person.birthDate, personalEmail.address]
`

// blank is an event of a profile that is in no segment. Tests state what differs.
const blank = `{"eventId": "e-1", "evaluatedAt": 1590449853000, "profileId": "p-1", "mergePolicyId": "M1", "changed": null,
"attributes": {}, "segmentMembership": {}, "identityMap": {"ecid": [{"id": "i-1"}]}, "consents": null}`

func TestRule(t *testing.T) {
	files, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	told := map[int]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		number, _, _ := strings.Cut(name, "-")
		rule, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		told[rule] = true
		t.Run(name, func(t *testing.T) { runTranscript(t, file) })
	}
	for rule := 1; rule <= ruleCount; rule++ {
		if !told[rule] {
			t.Errorf("rule %d has no transcript", rule)
		}
	}
}

// TestState tells how a profile is exported that qualified before its segment was mapped.
func TestState(t *testing.T) { runTranscript(t, "testdata/state.txt") }

// TestBadInput tells what becomes of events that nobody should send.
func TestBadInput(t *testing.T) { runTranscript(t, "testdata/bad-input.txt") }

// TestConfigurationMistakesAreReportedTogether tells what validate says of a destination.
func TestConfigurationMistakesAreReportedTogether(t *testing.T) {
	runTranscript(t, "testdata/configuration.txt")
}

// TestExplain tells the story of events.
func TestExplain(t *testing.T) { runTranscript(t, "testdata/explain.txt") }

// story is the state of one transcript.
type story struct {
	config Config
	schema *schemas.Schema
	dir    string
}

type document struct {
	Activation Activation `yaml:"activation"`
	Governance Governance `yaml:"governance"`
	Target     struct {
		PartitionKey string `yaml:"partitionKey"`
		Metadata     bool   `yaml:"metadata"`
	} `yaml:"target"`
}

func runTranscript(t *testing.T, file string) {
	s := &story{schema: mustSchema(t, schemas.SegmentEvaluation), dir: t.TempDir()}
	if _, err := s.destination(fixture); err != nil {
		t.Fatal(err)
	}
	datadriven.RunTest(t, file, func(_ *testing.T, d *datadriven.TestData) string {
		out, err := s.run(d)
		if err != nil {
			out = "error: " + err.Error()
		}
		return strings.ReplaceAll(strings.TrimRight(out, "\n"), s.dir+"/", "") + "\n"
	})
}

func (s *story) run(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "destination": // the fixture, changed as the YAML says
		return s.destination(fixture, d.Input)
	case "only": // a destination without the fixture
		return s.destination(d.Input)
	case "policies": // the policies file of the destination's that follow
		return "ok", os.WriteFile(filepath.Join(s.dir, "policies.yaml"), []byte(d.Input), 0o600)
	case "schema": // a writer schema, or the contract's with another record of attributes
		return s.parse(d)
	case "event": // the blank event, changed as the JSON says
		return s.event(d)
	case "bytes": // Avro bytes in hexadecimal
		return s.bytes(d)
	case "state": // the blank event as the present state of its profile
		return s.state(d)
	case "members": // of a segment, some of which change
		return s.members(d)
	case "core":
		return core()
	case "explain":
		return s.explain(d)
	case "evaluate", "check", "paths", "warnings":
		return s.validate(d)
	default:
		return "", fmt.Errorf("unknown command %s", d.Cmd)
	}
}

func (s *story) destination(texts ...string) (string, error) {
	config, err := parseDestination(texts...)
	if err != nil {
		return "", err
	}
	if file := config.Governance.PoliciesFile; file != "" {
		config.Governance.PoliciesFile = filepath.Join(s.dir, file)
	}
	s.config = config
	_, err = NewRules(config)
	return "ok", err
}

// parseDestination reads the blocks of a destination; where texts state the same key, the last one holds.
func parseDestination(texts ...string) (Config, error) {
	merged := map[string]map[string]any{}
	for _, text := range texts {
		var blocks map[string]map[string]any
		if err := yaml.Unmarshal([]byte(text), &blocks); err != nil {
			return Config{}, err
		}
		for name, keys := range blocks {
			if merged[name] == nil {
				merged[name] = map[string]any{}
			}
			maps.Copy(merged[name], keys)
		}
	}
	whole, err := yaml.Marshal(merged)
	if err != nil {
		return Config{}, err
	}
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(whole))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil {
		return Config{}, err
	}
	return Config{doc.Activation, doc.Governance, doc.Target.PartitionKey, doc.Target.Metadata}, nil
}

func (s *story) event(d *datadriven.TestData) (string, error) {
	event, err := s.encode(d)
	if err != nil {
		return "", err
	}
	return s.apply(event)
}

func (s *story) members(d *datadriven.TestData) (string, error) {
	var total, changed int
	for _, arg := range d.CmdArgs {
		n, err := strconv.Atoi(arg.Vals[0])
		if err != nil {
			return "", err
		}
		*map[string]*int{"total": &total, "changed": &changed}[arg.Key] = n
	}
	plan, err := s.plan()
	if err != nil {
		return "", err
	}
	records := map[string]int{}
	for i := range total {
		text := fmt.Sprintf(`"profileId": "p-%d", "changed": {"segments": [%s]},
			"segmentMembership": {"ups": {"A": {"lastQualificationTime": 0, "status": "realized"}}}`,
			i, map[bool]string{true: `"A"`}[i < changed])
		body, err := s.schema.EncodeJSON([]byte(overlay(blank, text)))
		if err != nil {
			return "", err
		}
		decision, err := plan.Apply(nil, schemas.Event{Schema: s.schema, Body: body}, Source{})
		if err != nil {
			return "", err
		}
		if decision.Outcome == Export {
			records[decision.PartitionKey]++
		}
	}
	return fmt.Sprint(len(records), " records: ", records), nil
}

func core() (string, error) {
	catalog, err := (&Governance{}).Catalog()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, action := range catalog.MarketingActions {
		fmt.Fprintf(&b, "%s: %s\n", action.Name, action.Description)
	}
	for _, policy := range catalog.Policies {
		fmt.Fprintf(&b, "%s %s: %s\n", policy.Name, policy.Status, policy.Description)
	}
	return b.String(), nil
}

func (s *story) bytes(d *datadriven.TestData) (string, error) {
	var body []byte
	for word := range strings.FieldsSeq(d.Input) {
		if text, ok := strings.CutPrefix(word, "text:"); ok {
			body = append(body, text...)
			continue
		}
		b, err := strconv.ParseUint(word, 16, 8)
		if err != nil {
			return "", err
		}
		body = append(body, byte(b))
	}
	return s.apply(schemas.Event{Schema: s.schema, Body: body})
}

func (s *story) plan() (*Plan, error) {
	rules, err := NewRules(s.config)
	if err != nil {
		return nil, err
	}
	return Compile(rules, s.schema)
}

func (s *story) apply(event schemas.Event) (string, error) {
	plan, err := s.plan()
	if err != nil {
		return "", err
	}
	d, err := plan.Apply(nil, event, Source{Topic: "segment-evaluations", Partition: 3, Offset: 42})
	var b strings.Builder
	fmt.Fprintf(&b, "%s", d.Outcome)
	if d.Reason != "" {
		fmt.Fprintf(&b, " %s", d.Reason)
	}
	if d.Stage != "" {
		fmt.Fprintf(&b, " in %s", d.Stage)
	}
	if d.Rule != 0 {
		fmt.Fprintf(&b, " by rule %d", d.Rule)
	}
	if d.PartitionKey != "" && d.PartitionKey != "p-1" && d.PartitionKey != "p" {
		fmt.Fprintf(&b, " under %q", d.PartitionKey)
	}
	if d.Data != nil {
		if !json.Valid(d.Data) {
			return "", fmt.Errorf("no JSON: %s", d.Data)
		}
		fmt.Fprintf(&b, "\n%s", d.Data)
	}
	if err != nil {
		fmt.Fprintf(&b, "\n%v", err)
	}
	return b.String(), nil
}

func (s *story) explain(d *datadriven.TestData) (string, error) {
	event, err := s.encode(d)
	if err != nil {
		return "", err
	}
	plan, err := s.plan()
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(plan.Explain(event, Source{}), "", "  ")
	return string(text), err
}

func (s *story) validate(d *datadriven.TestData) (string, error) {
	rules, err := NewRules(s.config)
	if err != nil {
		return "", err
	}
	schema := s.schema
	if d.HasArg("no-schema") {
		schema = nil
	}
	var b strings.Builder
	switch d.Cmd {
	case "evaluate":
		if d.HasArg("json") {
			text, err := json.MarshalIndent(rules.Evaluate(schema), "", "  ")
			return string(text), err
		}
		err := rules.Evaluate(schema).Write(&b)
		return b.String(), err
	case "check":
		if err := rules.Check(schema); err != nil {
			return err.Error(), nil
		}
		return "allowed", nil
	case "paths":
		for _, problem := range rules.CheckPaths(schema) {
			fmt.Fprintf(&b, "%s: %s\n", problem.Key, problem.Message)
		}
	case "warnings":
		for _, warning := range rules.Warnings() {
			fmt.Fprintln(&b, warning)
		}
	}
	if b.Len() == 0 {
		return "none", nil
	}
	return b.String(), nil
}
