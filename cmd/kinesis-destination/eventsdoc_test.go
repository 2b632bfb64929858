package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a code block of a page of the documents, by the mark before it.
func block(t *testing.T, page, mark string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)<!-- " + mark + " -->\n```[a-z]+\n(.*?)```").FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no block %s", page, mark)
	}
	return string(found[1])
}

// TestTheReadmesLeastConfigurationIsOne: what is copied from there loads as it stands.
func TestTheReadmesLeastConfigurationIsOne(t *testing.T) {
	text := block(t, "../../README.md", "least")
	if n := strings.Count(text, "\n"); n > 15 {
		t.Errorf("it has %d lines", n)
	}
	file := filepath.Join(t.TempDir(), "leads.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KINESIS_ACCESS_KEY_ID", "key")
	t.Setenv("KINESIS_SECRET_ACCESS_KEY", "secret")
	if got := command(t, "", "validate", "-c", file); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheEventOfTheDocumentsLeavesAsTheySay(t *testing.T) {
	const page = "../../deployments/docs/EVENTS.md"
	file := filepath.Join(t.TempDir(), "destination.yaml")
	schema, err := filepath.Abs("../../schemas/segment-evaluation.avsc")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(block(t, page, "destination"), "schemas/segment-evaluation.avsc", schema, 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := command(t, block(t, page, "event"), "explain", "-c", file, "-")
	if got.code != 0 || got.stdout != block(t, page, "record") || !strings.Contains(got.stderr, "rule: 1: ") {
		t.Errorf("%+v", got)
	}
}
