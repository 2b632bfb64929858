package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPoliciesListShowsWhatThereIsToGovernBy(t *testing.T) {
	builtIn := command(t, "", "policies", "list")
	for _, want := range []string{"exportToThirdParty ", "core/C2-exportToThirdParty ", "C10 "} {
		if builtIn.code != 0 || !strings.Contains(builtIn.stdout, want) || builtIn.stderr != "" {
			t.Errorf("without %q: %+v", want, builtIn)
		}
	}
	if strings.Index(builtIn.stdout, "\nC2 ") > strings.Index(builtIn.stdout, "\nC10 ") {
		t.Error("C10 comes before C2")
	}

	policies, err := filepath.Abs("../../deployments/examples/policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "leads.yaml")
	text := `name: leads
source: {kafka: {brokers: ["localhost:9092"], topic: events}, schemaRegistry: {url: "http://localhost:8081"}}
target: {kinesis: {region: us-east-1, stream: leads}}
activation: {segments: [{id: one}], marketingActions: [partnerShare]}
governance: {policiesFile: "` + policies + `", enabledPolicies: [core/C3-combinePII]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, "", "policies", "list", "-c", file)
	for _, want := range []string{
		"partnerShare yes Sharing with a named partner ",
		"analytics - ",
		"core/C3-combinePII enabled combinePII C3 ",
		"core/C2-exportToThirdParty disabled exportToThirdParty C2 ",
		"custom/no-direct-identity-to-partners enabled partnerShare, exportToThirdParty I1 AND (C2 OR S1) ",
	} {
		if got.code != 0 || !strings.Contains(oneSpace(got.stdout), want) {
			t.Errorf("without %q: %+v", want, got)
		}
	}
	var found struct {
		MarketingActions []struct {
			Name      string
			Activated bool
		}
		Policies []struct{ Name, Status string }
		Labels   map[string][]string
	}
	got = command(t, "", "policies", "list", "-c", file, "-o", "json")
	if err := json.Unmarshal([]byte(got.stdout), &found); err != nil || len(found.MarketingActions) != 11 || len(found.Policies) != 12 || len(found.Labels["C2"]) != 2 {
		t.Errorf("%v: %+v", err, found)
	}
	if got := command(t, "", "policies", "list", "-o", "xml"); got.code != exitUsage {
		t.Errorf("%+v", got)
	}
}

// oneSpace is a table without the widths of its columns.
func oneSpace(text string) string { return strings.Join(strings.Fields(text), " ") }
