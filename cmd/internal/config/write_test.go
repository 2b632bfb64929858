package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/config"
)

// What is written of a configuration reads as the same one, key by key, without its secrets.
func TestAWrittenConfigurationReadsAsTheSameOne(t *testing.T) {
	t.Setenv("KINESIS_ACCESS_KEY_ID", "AKIAEXAMPLE")
	t.Setenv("KINESIS_SECRET_ACCESS_KEY", "hush")
	example := "../../../deployments/examples/destination.yaml"
	before, err := config.Load(example)
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.Write(&before)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "AKIAEXAMPLE") || strings.Contains(string(text), "hush") {
		t.Errorf("a secret was written:\n%s", text)
	}
	file := filepath.Join(t.TempDir(), "destination.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	after, err := config.Load(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if p := config.NeedRestart(&before, &after); len(p) > 0 {
		t.Errorf("these keys differ: %v", p)
	}
	if !reflect.DeepEqual(before.Activation, after.Activation) || !reflect.DeepEqual(before.Governance, after.Governance) {
		t.Errorf("activation or governance differ:\n%+v\n%+v", before.Activation, after.Activation)
	}
	if before.Name != after.Name || before.Description != after.Description {
		t.Error("name or description differ")
	}
}

// A text that a file would take for a reference is refused: a description must not read this process's environment.
func TestATextThatLooksLikeAReferenceIsNotWritten(t *testing.T) {
	for _, text := range []string{"costs ${AWS_SECRET_ACCESS_KEY}", "file:///etc/passwd", "$HOME_DIR"} {
		if _, err := config.Write(&config.Config{Name: "a", Description: text}); err == nil || !strings.Contains(err.Error(), "description") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if text, err := config.Write(&config.Config{Name: "a", Description: "1e3: yes #1"}); err != nil {
		t.Error(err)
	} else if c, _ := config.Parse("x.yaml", text); c.Description != "1e3: yes #1" {
		t.Errorf("description is %q", c.Description)
	}
}
