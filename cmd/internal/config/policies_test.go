package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Of several mistakes the first alone had the file's name, and all were one problem.
func TestMistakesOfAPoliciesFileAreProblemsOfThatFile(t *testing.T) {
	folder := t.TempDir()
	policies := filepath.Join(folder, "policies.yaml")
	if err := os.WriteFile(policies, []byte("policies:\n  - {name: custom/a, marketingActions: [analytics], deny: {label: C2}}\n  - name: custom/b\n    status: on\n    marketingActions: [analytics]\n    deny: {label: C2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "leads.yaml")
	_, err := Parse(file, []byte("name: leads\nsource:\n  kafka: {brokers: [\"localhost:9092\"], topic: events}\n  schemaRegistry: {url: \"http://localhost:8081\"}\n"+
		"target: {kinesis: {region: us-east-1, stream: leads}}\nactivation: {segments: [{id: one}]}\ngovernance: {policiesFile: policies.yaml, onViolation: never}\n"))
	problems, _ := err.(Problems) //nolint:errorlint // it is what Parse says
	const must = "must be one of draft, enabled, disabled"
	want := Problems{
		{File: policies, Line: 2, Path: "policies[0].status", Message: must},
		{File: policies, Line: 4, Path: "policies[1].status", Message: must},
	}
	if len(problems) != 3 || !strings.HasPrefix(problems[0].Path, "governance.onViolation") || problems[1] != want[0] || problems[2] != want[1] {
		t.Errorf("%v", err)
	}
}
