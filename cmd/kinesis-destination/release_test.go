package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// releaseDeps are the packages in a release, as .ci/release and the Dockerfile build it.
func releaseDeps(t *testing.T, tags ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append(append([]string{"list", "-deps"}, tags...), ".")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// The release had a whole Kafka broker in it.
func TestAReleaseHasNoEmbeddedServers(t *testing.T) {
	embedded := regexp.MustCompile(`/embedded(kafka|kinesis|registry)$|^github\.com/twmb/`)
	found := func(deps []string) (found []string) {
		for _, dep := range deps {
			if embedded.MatchString(dep) {
				found = append(found, dep)
			}
		}
		return found
	}
	if with := found(releaseDeps(t)); len(with) < 4 {
		t.Fatalf("the check sees no embedded server where they are: %v", with)
	}
	if with := found(releaseDeps(t, "-tags", "release")); len(with) > 0 {
		t.Errorf("a release has %v", with)
	}
	for _, file := range []string{".ci/release", "deployments/Dockerfile", "Makefile"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "-s -w") && !strings.Contains(line, "-tags release") {
				t.Errorf("%s builds what is delivered with the embedded servers: %s", file, line)
			}
		}
	}
}

// The chart's image is one that the release workflow makes: of the newest version that
// CHANGELOG tells of.
func TestTheChartIsOfTheNewestVersion(t *testing.T) {
	read := func(file, pattern string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(pattern).FindStringSubmatch(string(text))
		if found == nil {
			t.Fatalf("%s has no %s", file, pattern)
		}
		return found[1]
	}
	newest := read("CHANGELOG.md", `(?m)^## (\d+\.\d+\.\d+) \(\d{4}-\d\d-\d\d\)$`)
	if chart := read("deployments/helm/kinesis-destination/Chart.yaml", `(?m)^appVersion: "(.+)"$`); chart != newest {
		t.Errorf("the chart is of %s, CHANGELOG's newest version is %s", chart, newest)
	}
}

func TestDemoOfAReleaseSaysWhereTheDemoIs(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kinesis-destination")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "release", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	command := exec.CommandContext(t.Context(), program, "demo", "--keep")
	out, err := command.CombinedOutput()
	if err == nil || command.ProcessState.ExitCode() != exitUsage || !strings.Contains(string(out), "make demo") || strings.Contains(string(out), "unknown flag") {
		t.Errorf("%v: %s", err, out)
	}
}
