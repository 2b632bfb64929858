package destination

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/config"
)

func TestASecretThatIsRotatedInItsFileNeedsNoRestart(t *testing.T) {
	folder := t.TempDir()
	file, password, key := filepath.Join(folder, "destination.yaml"), filepath.Join(folder, "password"), filepath.Join(folder, "key")
	text := `name: leads
source:
  kafka: {brokers: ["localhost:9092"], topic: events, sasl: {mechanism: plain, username: one, password: "file://password"}}
  schemaRegistry: {url: "http://localhost:8081", bearerToken: "file://password"}
target: {kinesis: {region: us-east-1, stream: leads, credentials: {accessKeyId: "file://key", secretAccessKey: "file://password"}}}
activation: {segments: [{id: A}]}
`
	load := func(text, secret string) config.Config {
		t.Helper()
		for name, content := range map[string]string{file: text, password: secret + "\n", key: secret} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		config, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	before := load(text, "old")
	after := load(text, "new")
	if problems := config.NeedRestart(&before, &after); len(problems) > 0 {
		t.Errorf("after a rotation: %v", problems)
	}
	for name, secret := range map[string]func() (string, error){
		"source.kafka.sasl.password":                 before.Source.Kafka.SASL.Password,
		"source.schemaRegistry.bearerToken":          before.Source.Registry.BearerToken,
		"target.kinesis.credentials.accessKeyId":     before.Target.Kinesis.Credentials.AccessKeyID,
		"target.kinesis.credentials.secretAccessKey": before.Target.Kinesis.Credentials.SecretAccessKey,
	} {
		if value, err := secret(); value != "new" || err != nil {
			t.Errorf("%s is %q, %v", name, value, err)
		}
	}
	changed := load(strings.Replace(text, "username: one", "username: two", 1), "new")
	problems := config.NeedRestart(&before, &changed)
	if len(problems) != 1 || problems[0].Path != "source.kafka.sasl.username" {
		t.Errorf("a changed user: %v", problems)
	}
}
