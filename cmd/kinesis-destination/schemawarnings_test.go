package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/schemas"
)

// ownStatuses is the contract's schema with statuses of its own, and a collection in a record.
func ownStatuses(t *testing.T) string {
	t.Helper()
	text := string(schemas.SegmentEvaluation)
	for _, change := range [][2]string{
		{`"symbols": ["realized", "existing", "exited"]`, `"symbols": ["active", "inactive"]`},
		{`{"name": "personalEmail"`, `{"name": "firma", "type": {"type": "record", "name": "Firma", "fields": [{"name": "name", "type": "string"},
			{"name": "kontakte", "type": ["null", {"type": "array", "items": "string"}]}]}}, {"name": "personalEmail"`},
	} {
		if !strings.Contains(text, change[0]) {
			t.Fatalf("the schema has no %s", change[0])
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return text
}

// TestASchemaWithoutAKnownStatusIsWarnedOf: every check was ok, and records left with statuses that nobody knows.
func TestASchemaWithoutAKnownStatusIsWarnedOf(t *testing.T) {
	s := startServers(t)
	text := ownStatuses(t)
	s.registry.Register(demoTopic+"-value", text)
	unknown := "status in segmentMembership is one of active, inactive, and none of them is realized, existing or exited"
	got := command(t, "", "validate", "--live", "-c", s.configFile)
	if got.code != 0 || !strings.Contains(got.stdout, "warn    what is exported by subject segment-evaluations-value, version 2: ") || !strings.Contains(got.stdout, unknown) {
		t.Errorf("%+v", got)
	}
	r := s.run()
	if ended := r.stop(); strings.Count(ended.stderr, "none of them is realized") != 1 {
		t.Errorf("%+v", ended)
	}
	s.ownSchema(t, text)
	if got := command(t, "", "validate", "-c", s.configFile); got.code != 0 || !strings.Contains(got.stdout, "warning: ") || !strings.Contains(got.stdout, unknown) {
		t.Errorf("%+v", got)
	}
	s.ownSchema(t, strings.Replace(text, `"inactive"`, `"exited"`, 1))
	if got := command(t, "", "validate", "-c", s.configFile); got.code != 0 || strings.Contains(got.stdout, "none of them is") {
		t.Errorf("with one of them: %+v", got)
	}
}

// ownSchema writes the schema file that the configuration then names.
func (s *servers) ownSchema(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(s.configFile), "schema.avsc"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.write(strings.Replace(s.config, "  schemaRegistry", "  schemaFile: schema.avsc\n  # schemaRegistry", 1))
}

// TestCollectionsInAMappedRecordAreToldToStayBehind: they stayed behind without a word.
func TestCollectionsInAMappedRecordAreToldToStayBehind(t *testing.T) {
	s := startServers(t)
	s.config = s.changed("[person.email]", "[firma]")
	s.ownSchema(t, ownStatuses(t))
	told := "below firma stay behind: kontakte (array); activation.allowCollections exports them"
	if got := command(t, "", "validate", "-c", s.configFile); got.code != 0 || !strings.Contains(got.stdout, "warning: "+told) {
		t.Errorf("%+v", got)
	}
	example := command(t, "", "explain", "-c", s.configFile, "--example")
	got := command(t, example.stdout, "explain", "-c", s.configFile, "-")
	if got.code != 0 || !strings.Contains(got.stderr, "not exported: "+told+"\n") || strings.Contains(got.stdout, "kontakte") {
		t.Errorf("%+v", got)
	}
	s.config = strings.Replace(s.config, "[firma]", "[firma]\n  allowCollections: true", 1)
	s.ownSchema(t, ownStatuses(t))
	for _, args := range [][]string{{"validate"}, {"explain", "-"}} {
		if got := command(t, example.stdout, append(args, "-c", s.configFile)...); got.code != 0 || strings.Contains(got.stdout+got.stderr, "stay behind") {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
