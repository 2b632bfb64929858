package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandHasAManPageAndMarkdownTheSameEachTime(t *testing.T) {
	date = "2026-01-31T12:00:00Z"
	t.Cleanup(func() { date = "" })
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if got := command(t, "", "docs", dir); got.code != 0 || got.stdout+got.stderr != "" {
			t.Fatalf("%+v", got)
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if !c.IsAvailableCommand() && c.HasParent() {
			return
		}
		for file, want := range map[string]string{
			"man/" + strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1":       "Jan 2026",
			"markdown/" + strings.ReplaceAll(c.CommandPath(), " ", "_") + ".md": c.Short,
		} {
			text, err := os.ReadFile(filepath.Join(first, file))
			again, _ := os.ReadFile(filepath.Join(second, file))
			if err != nil || !strings.Contains(string(text), want) || !bytes.Equal(text, again) {
				t.Errorf("%s: %v: without %q, or not the same each time", file, err, want)
			}
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(rootCommand())
	bash := filepath.Join(first, "completions", "kinesis-destination.bash")
	if out, err := exec.Command("bash", "-n", bash).CombinedOutput(); err != nil {
		t.Errorf("bash cannot read its completions: %v: %s", err, out)
	}
	for _, name := range []string{"_kinesis-destination", "kinesis-destination.fish", "kinesis-destination.ps1"} {
		if _, err := os.Stat(filepath.Join(first, "completions", name)); err != nil {
			t.Error(err)
		}
	}
}

func TestShellsCompleteCommandsFlagsAndTheirValues(t *testing.T) {
	for args, want := range map[string]string{
		"va":                          "validate\t",
		"run --log-":                  "--log-format\t",
		"run --log-level ":            "warn",
		"validate -o ":                "json",
		"run -c ":                     "yaml",
		"completion ":                 "zsh\t",
		"explain -c x.yaml --output ": "text",

		"dead-letters list --stage ":                  "decode",
		"dead-letters redrive --reason ":              "unknown-schema",
		"dead-letters drop --reason ":                 "other-destination",
		"dead-letters list --since ":                  "yesterday\t",
		"replay --from ":                              "earliest\t",
		"verify --to ":                                "latest\t",
		"replay -c testdata/segments.yaml --segment ": "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae\tHigh propensity to convert",
		"replay -c gone.yaml --segment ":              ":4",
	} {
		fields := append([]string{"__complete"}, strings.Split(args, " ")...)
		if got := command(t, "", fields...); got.code != 0 || !strings.Contains(got.stdout, want) {
			t.Errorf("%q: %q", args, got.stdout)
		}
	}
	if got := command(t, "", "__complete", ""); strings.Contains(got.stdout, "docs") {
		t.Errorf("docs is for packagers: %q", got.stdout)
	}
}

func TestVersionSaysWhatWasBuiltFromWhatAndForWhat(t *testing.T) {
	version, commit, date = "v1.2.3", "abc", "2026-01-31T12:00:00Z"
	t.Cleanup(func() { version, commit, date = "", "", "" })
	got := command(t, "", "version")
	if got.code != 0 || !strings.HasPrefix(got.stdout, "kinesis-destination v1.2.3 commit abc built 2026-01-31T12:00:00Z with go1.") || !strings.Contains(got.stdout, "/") {
		t.Errorf("%+v", got)
	}
}
