package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/transform"
)

// FuzzConfiguration reads arbitrary bytes as a destination's file and as a policies
// file: none ends the process or takes long, and what is wrong is told with its
// line, unless it is missing in the file.
func FuzzConfiguration(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("../../../deployments/examples", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range seeds {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		"", "---\n", "\ufeffname: a\n---\n", "a: &a [*a]\nsource: {<<: *a}", "<<: [*x]", "x: &x {<<: *x}\ntarget: *x",
		"name: ${A:-b}$C${", "name: !!binary a\n", "name: ? {a: b}\n: c", "[[[[[[{{{{", "name: \"\\u0000\"\n\x85\xc2\x85'", "governance: {fieldLabels: {<<: {a: [C1]}, ? [a] : b}}",
		"source: {kafka: {brokers: [':'], topicPattern: '(((', start: 2020-01-01T00:00:00Z, tls: {enabled: 1e9}}}", "- {a: 1}\n- ''", "marketingActions: [{name: a}]\npolicies: [{deny: {and: [{or: []}]}}]",
		"activation: {backfill: {since: 99999999999h}, segments: [{id: \xff, startDate: 0000-00-00}]}", "target: {kinesis: {retry: {maxInterval: 1e400, initialInterval: .nan}}}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("file://")) || bytes.Contains(text, []byte("/dev")) || bytes.Contains(text, []byte("/proc")) || len(text) > 64<<10 {
			return // files of the machine that runs this
		}
		began := time.Now()
		config, err := Parse("destination.yaml", text)
		var problems Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("an error of another kind: %v", err)
		}
		lines := 1 + bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + bytes.Count(text, []byte("\u0085")) + bytes.Count(text, []byte("\u2028")) + bytes.Count(text, []byte("\u2029"))
		if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
			lines = len(text) // UTF-16 is YAML as well: there U+2029 is ") "
		}
		for _, p := range problems {
			missing := p.Line == 0 && p.Path != "" && config.origin.line(p.Path) == 0
			if p.Message == "" || p.Line > lines || p.Line < 1 && !missing {
				t.Errorf("%q: line %d of %d, %s: %s", text, p.Line, lines, p.Path, p.Message)
			}
		}
		if err == nil {
			config.Warnings()
		}
		if _, err := transform.ParsePolicies(text, transform.Catalog{}); err != nil && err.Error() == "" {
			t.Errorf("%q: a mistake without words", text)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d bytes took %v", len(text), took)
		}
	})
}

// TestABombIsRefusedAtSmallCost reads what unfolds, or nests, without end.
func TestABombIsRefusedAtSmallCost(t *testing.T) {
	labels := make([]string, 2000)
	for i := range labels {
		labels[i] = "C1"
	}
	var aliases, merges strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&aliases, "    p%d: *l\n", i)
		fmt.Fprintf(&merges, "      - {<<: [*s, *s, *s, *s, *s, *s, *s, *s], id: s%d}\n", i)
	}
	var nested strings.Builder
	nested.WriteString("s0: &s0 {id: a}\n")
	for i := range 15 {
		fmt.Fprintf(&nested, "s%d: &s%d {<<: [*s%d, *s%d, *s%d, *s%d, *s%d, *s%d, *s%d, *s%d, *s%d]}\n", i+1, i+1, i, i, i, i, i, i, i, i, i)
	}
	for what, text := range map[string]string{
		"lists":  "governance:\n  fieldLabels:\n    a: &l [" + strings.Join(labels, ", ") + "]\n" + aliases.String(),
		"merges": nested.String() + "source: {<<: *s15}\n",
		"blocks": "x: &s {" + strings.Join(labels, ": 1, ") + ": 1}\nactivation:\n    segments:\n" + merges.String(),
		"flow":   strings.Repeat("[", 900_000),
		"braces": strings.Repeat("{a: ", 200_000),
		"indent": strings.Repeat("- ", 400_000),
		"keys":   strings.Repeat("? ", 400_000),
		"ends":   strings.Repeat("---\n", 200_000),
		"unread": strings.Repeat("k: 1\n", 200_000),
	} {
		t.Run(what, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := testutil.CPUTime(t)
			_, err := Parse("destination.yaml", []byte(text))
			took := testutil.CPUTime(t) - began
			runtime.ReadMemStats(&after)
			var problems Problems
			if !errors.As(err, &problems) || len(problems) > maxProblems {
				t.Errorf("%d problems: %.200v", len(problems), err)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<20 || took > 10*time.Second {
				t.Errorf("%d bytes of text took %d MB and %v", len(text), allocated>>20, took)
			}
			t.Logf("%d bytes: %v, %d MB, %.120v", len(text), took, (after.TotalAlloc-before.TotalAlloc)>>20, err)
		})
	}
}

func TestAFileBeyondItsLimitIsNotRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(name, make([]byte, MaxConfigBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{name, "/dev/zero"} {
		if _, err := Load(file); err == nil || err.Error() != file+": cannot be read: is larger than 1048576 bytes" {
			t.Errorf("%v", err)
		}
	}
}
