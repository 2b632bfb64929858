package sample

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
	"kinesis-destination/transform"
)

// ownSchema is one that a company may have: other kinds, names and orders than
// the contract's.
const ownSchema = `{"type": "record", "name": "Evaluation", "namespace": "com.example", "fields": [
 {"name": "tenant", "type": "string"},
 {"name": "identityMap", "type": {"type": "map", "values": {"type": "array", "items": ["null", {"type": "record", "name": "Id", "fields": [
   {"name": "id", "type": "long"}, {"name": "seen", "type": {"type": "int", "logicalType": "date"}}]}]}}},
 {"name": "segmentMembership", "type": ["null", {"type": "map", "values": {"type": "map", "values": {"type": "record", "name": "M", "fields": [
   {"name": "status", "type": "string"}, {"name": "lastQualificationTime", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}}}]},
 {"name": "profileId", "type": {"type": "string", "logicalType": "uuid"}},
 {"name": "attributes", "type": {"type": "record", "name": "A", "fields": [
   {"name": "work", "type": ["null", {"type": "record", "name": "Work", "fields": [
     {"name": "companyName", "type": ["null", "string"]}, {"name": "boss", "type": ["null", "A"]},
     {"name": "score", "type": ["null", "double", "float"]}, {"name": "hash", "type": {"type": "fixed", "name": "H", "size": 8}}]}]},
   {"name": "net", "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}},
   {"name": "tags", "type": {"type": "array", "items": "string"}}]}},
 {"name": "deep", "type": {"type": "map", "values": ["null", "Evaluation"]}}
]}`

func load(t *testing.T, schema, attributes string) (*config.Config, *schemas.Schema) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "event.avsc"), []byte(schema), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "destination.yaml")
	text := `name: own
source:
  kafka: {brokers: ["localhost:9092"], topic: events}
  schemaFile: event.avsc
target: {kinesis: {region: us-east-1, stream: own}}
activation:
  segments: [{id: "one"}, {id: "two"}]
  attributes: [` + attributes + `]
governance: {consent: {mode: enforce, require: {share: [dy, y], marketing.email: [VI]}}}
`
	if !strings.Contains(schema, "consents") {
		text = strings.Replace(text, "enforce", "ignore", 1)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schemas.ReadFile(cfg.Source.SchemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return &cfg, s
}

func TestTheFirstEventOfAnySchemaLeavesWithEveryMappedAttribute(t *testing.T) {
	for name, c := range map[string]struct{ schema, attributes string }{
		"the contract's": {string(schemas.SegmentEvaluation), "person.name.firstName, person.birthDate, personalEmail.address, loyalty.points"},
		"a company's":    {ownSchema, "work.companyName, work.score, net"},
		"a union's": {
			`["null", {"type": "record", "name": "Deleted", "fields": [{"name": "profileId", "type": "string"}]}, ` + ownSchema + `]`,
			"work.companyName, work.score, net",
		},
	} {
		cfg, schema := load(t, c.schema, c.attributes)
		for seed := range uint64(20) {
			event, err := New(cfg, schema, seed, 3, time.Now).First()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			x, err := rules.Explain(t.Context(), cfg, "", "the event", event.JSON)
			if err != nil || x.Decision.Outcome != transform.Export {
				t.Fatalf("%s, seed %d: %v, %+v\n%s", name, seed, err, x.Decision, event.JSON)
			}
			var record map[string]any
			if err := json.Unmarshal(x.Decision.Data, &record); err != nil {
				t.Fatal(err)
			}
			for _, path := range cfg.Activation.Attributes {
				var at any = record
				for part := range strings.SplitSeq(path, ".") {
					inner, _ := at.(map[string]any)
					at = inner[part]
				}
				if at == nil {
					t.Errorf("%s, seed %d: %s is not in %s", name, seed, path, x.Decision.Data)
				}
			}
		}
	}
}

func TestEventsAreThoseOfTheirSeedAndSomeOfEachKind(t *testing.T) {
	now := func() time.Time { return time.Unix(1_770_000_000, 0) }
	cfg, schema := load(t, string(schemas.SegmentEvaluation), "person.email, loyalty.points")
	one, other := New(cfg, schema, 7, 50, now), New(cfg, schema, 7, 50, now)
	outcomes, triggers, statuses := map[string]int{}, map[string]int{}, map[string]int{}
	for range 500 {
		a, err := one.Next()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := other.Next(); err != nil || string(b.JSON) != string(a.JSON) || b.Key != a.Key {
			t.Fatalf("%v: %s\n%s", err, a.JSON, b.JSON)
		}
		x, err := rules.Explain(t.Context(), cfg, "", "the event", a.JSON)
		if err != nil {
			t.Fatalf("%v: %s", err, a.JSON)
		}
		outcomes[x.Decision.Outcome.String()]++
		triggers[string(x.Decision.Trigger)]++
		for _, status := range []string{realized, exited} {
			if strings.Contains(string(x.Decision.Data), status) {
				statuses[status]++
			}
		}
	}
	if outcomes[transform.Export.String()] != 500 || len(triggers) < 3 || len(statuses) != 2 {
		t.Errorf("%v %v %v", outcomes, triggers, statuses)
	}
}

func TestASchemaThatIsTooLargeForAnEventIsSaidSo(t *testing.T) {
	text := `{"type":"record","name":"R0","fields":[{"name":"l","type":"long"},{"name":"r","type":"long"}]}`
	for i := 1; i < 20; i++ { // each twice what the one in it is
		text = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"l","type":%s},{"name":"r","type":"R%d"}]}`, i, text, i-1)
	}
	s, err := schemas.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := load(t, string(schemas.SegmentEvaluation), "person.email")
	if _, err := New(cfg, s, 1, 1, time.Now).First(); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%v", err)
	}
}
