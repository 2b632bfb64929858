package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatANewcomerMistypesIsSuggested(t *testing.T) {
	const least = `name: leads
source:
  kafka: {brokers: ["localhost:9092"], topic: events, sasl: {mechanism: plain, username: u, password: "${SUGGEST_PASSWORD}"}}
  schemaRegistry: {url: "http://localhost:8081"}
target: {kinesis: {region: us-east-1, stream: leads}}
activation: {segments: [{id: one}], attributes: [person.email], unmappedSegments: all}
`
	t.Setenv("SUGGEST_PASSWORD", "secret")
	file := filepath.Join(t.TempDir(), "leads.yaml")
	for _, c := range []struct{ from, to, want string }{
		{"us-east-1", "us-east1", ":5: target.kinesis.region: must be an AWS region, such as us-east-1 (did you mean us-east-1?)"},
		{"us-east-1", "US-EAST-1", "target.kinesis.region: must be an AWS region, such as us-east-1 (did you mean us-east-1?)"},
		{"us-east-1", "moon", "target.kinesis.region: must be an AWS region, such as us-east-1"},
		{"us-east-1", "xx-newest-9", ""},
		{"region: us-east-1", "endpoint: 'http://localhost:4567', region: local", ""},
		{"mechanism: plain", "mechanism: PLAIN", "sasl.mechanism: must be one of plain, scram-sha-256, scram-sha-512, oauthbearer, aws-msk-iam (did you mean plain?)"},
		{"unmappedSegments: all", "unmappedSegments: mapped", "must be one of same-merge-policy, mapped-only, all (did you mean mapped-only?)"},
		{"attributes:", "attr:", "unknown key; did you mean attributes?"},
	} {
		if err := os.WriteFile(file, []byte(strings.Replace(least, c.from, c.to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		got := command(t, "", "validate", "-c", file)
		if (c.want == "") != (got.code == 0) || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s: %+v", c.to, got)
		}
	}
}

// TestNoMessageNamesAFunction: users read "kafka.(*Client).Metadata: …".
func TestNoMessageNamesAFunction(t *testing.T) {
	s := startServers(t)
	s.write(s.changed(s.kafka.ListenAddrs()[0], "127.0.0.1:1"))
	for _, args := range []string{
		"validate --live", "lag", "verify", "replay --from earliest --to latest", "dead-letters list", "dead-letters redrive",
		"explain --topic t --partition 0 --offset 0", "produce-sample",
	} {
		got := command(t, "", append(strings.Fields(args), "-c", s.configFile)...)
		if said := got.stdout + got.stderr; got.code != exitFailed || strings.Contains(said, "(*") || !strings.Contains(said, "127.0.0.1:1: ") {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
