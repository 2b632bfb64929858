package schemas

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/consumer/embeddedkafka"
)

// A file that is named by mistake, or is a device, is read up to its bound alone.
func TestAFileThatTheConfigurationNamesIsReadUpToItsBound(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err != nil { // sparse: takes no room
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := embeddedkafka.WriteCertificates(folder); err != nil {
		t.Fatal(err)
	}
	key, good := filepath.Join(folder, embeddedkafka.ClientKeyFile), filepath.Join(folder, embeddedkafka.ClientCertFile)
	_, schema := ReadFile(large)
	_, ca := (&RegistryTLS{CAFile: large}).client()
	_, certificate := (&RegistryTLS{CertFile: large, KeyFile: key}).client()
	_, private := (&RegistryTLS{CertFile: good, KeyFile: large}).client()
	for what, err := range map[string]error{"read schema file": schema, "tls.caFile": ca, "tls.certFile": certificate, "tls.keyFile": private} {
		if err == nil || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), large+" is larger than ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
