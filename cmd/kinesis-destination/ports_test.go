package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A port that there is none of was taken, and the process failed when it listened or dialled.
func TestAPortThatIsNoneIsWrongUse(t *testing.T) {
	folder := t.TempDir()
	bad, good := filepath.Join(folder, "bad.yaml"), filepath.Join(folder, "good.yaml")
	const file = `name: leads
source:
  kafka: {brokers: ["localhost:9092"], topic: events}
  schemaRegistry: {url: "http://localhost:8081"}
target: {kinesis: {region: us-east-1, stream: leads, endpoint: "http://localhost:4566"}}
activation: {segments: [{id: one}]}
server: {listen: "localhost:8080"}
`
	for name, text := range map[string]string{good: file, bad: strings.NewReplacer(":8081", ":99999", ":4566", ":99999", ":8080", ":99999").Replace(file)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := (&followOptions{admin: ":99999"}).check(); err == nil || !strings.Contains(err.Error(), "--admin must be host:port, the port from 0 to 65535") {
		t.Error(err)
	}
	store := filepath.Join(folder, "store")
	for args, want := range map[string][]string{
		"validate -c " + bad: {
			"bad.yaml:4: source.schemaRegistry.url: must be an http or https URL", "bad.yaml:5: target.kinesis.endpoint: must be an http or https URL",
			"bad.yaml:7: server.listen: must be host:port, the port from 0 to 65535",
		},
		"run --pprof :99999 -c " + good:                        {"--pprof must be host:port"},
		"serve --store " + store + " --listen 127.0.0.1:99999": {"--listen must be host:port, the port from 0 to 65535"},
		"serve --brokers localhost:99999 --source " + good:     {"--brokers: each must be host:port, the port from 1 to 65535"},
		"run --follow --brokers localhost --source " + good:    {"--brokers: each must be host:port"},
		"control export --brokers localhost:0":                 {"--brokers: each must be host:port"},
	} {
		out := command(t, "", strings.Fields(args)...)
		for _, w := range want {
			if out.code != exitUsage || !strings.Contains(out.stderr, w) {
				t.Errorf("%s: exit %d, %s", args, out.code, out.stderr)
			}
		}
	}
}
