package server_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/config"
)

// A destination's file becomes a flow and the file again without loss: every key but
// credentials, which stay references.
func TestADestinationsFileIsImportedAndExportedWithoutLoss(t *testing.T) {
	t.Setenv("KINESIS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("KINESIS_SECRET_ACCESS_KEY", "hush")
	r := newRig(t)
	source := r.options.Sources[0]
	text := `
name: high-propensity-leads
description: White-paper leads for the sales data lake
source:
  kafka: {brokers: ["localhost:9092"], topic: segment-evaluations, group: leads-group}
  schemaRegistry: {url: ` + source.Registry.URL + `}
target:
  kinesis:
    region: us-east-1
    stream: leads
    endpoint: ` + r.options.Endpoints[0] + `
    credentials: {accessKeyId: "${KINESIS_ACCESS_KEY_ID}", secretAccessKey: "${KINESIS_SECRET_ACCESS_KEY}"}
    partitionKey: identity:email
    aggregation: kpl
    protocol: cbor
    metadata: true
    retry: {initialInterval: 250ms, maxInterval: 1m, maxElapsedTime: 2h}
deadLetter: {topic: letters, park: true, onExhausted: dead-letter}
activation:
  segments:
    - {id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae, name: High propensity to convert, labels: [C8], createdAt: 2020-05-01T00:00:00Z, mappingCreatedAt: 2021-01-02T03:04:05Z}
    - {id: 7841ba61, name: "yes: #1"}
  attributes: [personalEmail.address, person.name]
  marketingActions: [analytics]
  unmappedSegments: mapped-only
  includeSegmentNames: true
  includeSegmentTimestamps: true
  allowCollections: true
  backfill: {newSegments: false, since: 720h}
governance:
  fieldLabels: {person.name.lastName: [I1], person.birthDate: [I2]}
  onViolation: drop-field
  consent: {mode: enforce, require: {share: [y, dy]}}
`
	before := parse(t, text)
	base := r.account()
	r.call("POST", flowservice+"/connections", `{"name":"Profiles","connectionSpec":{"id":"`+profileSpec+`","version":"1.0"}}`).is(201)
	at := flowservice + "/flows/import?baseConnectionId=" + base
	id := r.call("POST", at, text, "Content-Type", "application/yaml").is(201).str("id")
	exported := r.call("GET", flowservice+"/flows/"+id+"/export", "").is(200)
	if exported.header.Get("Content-Type") != "application/yaml" {
		t.Errorf("the type is %s", exported.header.Get("Content-Type"))
	}
	after := parse(t, exported.text)
	if p := config.NeedRestart(&before, &after); len(p) > 0 {
		t.Errorf("these keys differ: %v\n%s", p, exported.text)
	}
	if !reflect.DeepEqual(before.Activation, after.Activation) || !reflect.DeepEqual(before.Governance, after.Governance) {
		t.Errorf("activation or governance differ:\n%s", exported.text)
	}
	if before.Name != after.Name || before.Description != after.Description {
		t.Error("name or description differ")
	}
	// A second flow of the same group would get half of the events.
	twice := r.call("POST", at, text, "Content-Type", "application/yaml").is(400).says("two destinations share this group", "high-propensity-leads")
	if twice.str("errors", 0, "field") != "source.kafka.group" || twice.str("errors", 1, "field") != "deadLetter.topic" || strings.Contains(twice.str("detail"), "\n") {
		t.Errorf("each mistake is one of its own: %s", twice.text)
	}
	r.call("POST", at, strings.Replace(text, "localhost:9092", "elsewhere:9092", 1), "Content-Type", "application/yaml").is(400).says("no source")
	r.call("POST", at, strings.Replace(text, "${KINESIS_SECRET_ACCESS_KEY}", "literal", 1), "Content-Type", "application/yaml").is(400).says("target.kinesis.credentials")
	r.call("POST", at, strings.Replace(text, "park: true", "prak: true", 1), "Content-Type", "application/yaml").is(400).says("deadLetter.prak", "line")
	r.call("POST", flowservice+"/flows/import", text, "Content-Type", "application/yaml").is(400).says("baseConnectionId")
}

// What an import cannot take is named in its answer, and what it takes is not.
func TestAnImportNamesTheKeysThatItDoesNotTake(t *testing.T) {
	r := newRig(t)
	base := r.account()
	r.profiles()
	at := flowservice + "/flows/import?baseConnectionId=" + base
	const target = "target: {kinesis: {region: us-east-1, stream: leads, protocol: cbor, endpoint: ENDPOINT"
	text := strings.ReplaceAll(`
name: leads-by-file
source:
  kafka: {brokers: ["localhost:9092"], topic: segment-evaluations, groupInstanceId: one, tls: {enabled: true}}
  schemaRegistry: {url: `+r.options.Sources[0].Registry.URL+`, password: guessed}
`+target+`, credentials: {roleArn: "arn:aws:iam::123456789012:role/leads", externalId: theirs}}}
activation: {segments: [{id: vip}], marketingActions: [], attributes: [personalEmail.address]}
server: {listen: "0.0.0.0:9000"}
`, "ENDPOINT", r.options.Endpoints[0])
	made := r.call("POST", at, text, "Content-Type", "application/yaml").is(201)
	made.says("target.kinesis.credentials.roleArn: is not taken", "target.kinesis.credentials.externalId: is not taken", "server.listen: is not taken",
		"source.kafka.groupInstanceId: is not taken", "source.kafka.tls.enabled: is not taken", "source.schemaRegistry.password: is not taken")
	if warnings, _ := made.get("warnings").([]any); len(warnings) != 6 {
		t.Errorf("what is taken is named as well: %v", warnings)
	}
	if strings.Contains(made.text, "guessed") || strings.Contains(made.text, "theirs") {
		t.Errorf("values are shown: %s", made.text)
	}
	r.call("GET", flowservice+"/targetConnections", "").is(200).says(`"protocol":"cbor"`)
	r.target(base, `{"stream":"leads","protocol":"xml"}`).is(400).says(`"field":"params.protocol"`, "must be json or cbor")
}

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "destination.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}
