package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/destination"
)

func TestExitCodesTellWrongUseFromFailure(t *testing.T) {
	s := startServers(t)
	for _, c := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"", 0, ""},
		{"version", 0, ""},
		{"--version", 0, ""},
		{"replay -c CONFIG --from latest --to earliest", exitUsage, "the range is upside down: --from latest comes after --to earliest\n"},
		{"verify -c CONFIG --from 2026-01-02 --to 2026-01-01", exitUsage, "the range is upside down: --from 2026-01-02T00:00:00Z comes after --to 2026-01-01T00:00:00Z\n"},
		{"verify -c CONFIG --from 1day", exitUsage, "--from: \"1day\" is none of: earliest, latest, a time such as "},
		{"dead-letters list -c CONFIG --since 2026-01-02 --until 2026-01-01", exitUsage, "the range is upside down: --since 2026-01-02T00:00:00Z comes after --until 2026-01-01T00:00:00Z\n"},
		{"--help", 0, ""},
		{"nonsense", exitUsage, "unknown command \"nonsense\" for \"kinesis-destination\"\nSee 'kinesis-destination --help'\n"},
		{"completion", 0, ""},
		{"completion bsh", exitUsage, "unknown command \"bsh\" for \"kinesis-destination completion\" (did you mean bash?)\nSee 'kinesis-destination completion --help'\n"},
		{"completion bash more", exitUsage, "unknown command \"more\" for \"kinesis-destination completion bash\"\nSee 'kinesis-destination completion bash --help'\n"},
		{"demo --memory 63MiB", exitUsage, "--memory: 63MiB of memory is too little: 64MiB are needed for 1 destination\n"},
		{"demo --memory=", exitUsage, "--memory is empty, which would take the default: leave it out if that is meant\n"},
		{"demo --memory 1000000GiB", exitUsage, "--memory 1000000GiB is more than there is: "},
		{"help", 0, ""},
		{"help dead-letters list", 0, ""},
		{"help nonsense", exitUsage, "there is no command \"nonsense\"\nSee 'kinesis-destination --help'\n"},
		{"run", exitUsage, "give the destination's configuration with -c destination.yaml\n"},
		{"validate", exitUsage, "give the destination's configuration with -c destination.yaml\n"},
		{"run -c CONFIG --log-level loud", exitUsage, "--log-level must be debug, info, warn or error\n"},
		{"run -c CONFIG --log-format xml", exitUsage, "--log-format must be text or json\n"},
		{"run -c CONFIG more", exitUsage, "unknown command \"more\" for \"kinesis-destination run\"\nSee 'kinesis-destination run --help'\n"},
		{"run -c CONFIG -c CONFIG", exitUsage, "CONFIG:1: name: two destinations of one process have this name\n"},
		{"run --no-such-flag", exitUsage, "unknown flag: --no-such-flag\nSee 'kinesis-destination run --help'\n"},
		{"run -c gone.yaml", exitUsage, "gone.yaml: cannot be read: no such file or directory\n"},
		{"validate -c CONFIG -o xml", exitUsage, "-o must be text or json\n"},
		{"demo --events 1", exitUsage, "--events must be between 100 and 100000\n"},
		{"explain -c CONFIG", exitUsage, "give FILE, all of --topic, --partition and --offset, or --example\n"},
		{"explain -c CONFIG --topic t", exitUsage, "give FILE, all of --topic, --partition and --offset, or --example\n"},
		{"explain -c CONFIG --topic t --partition 0 --offset 0 FILE", exitUsage, "FILE and --topic exclude each other\n"},
		{"explain -c CONFIG --topic t --partition 0 --offset -1", exitUsage, "--partition and --offset must not be negative\n"},
		{"explain -c CONFIG --topic t --partition 0 --offset 0 --schema x.avsc", exitUsage, "--schema goes with FILE: "},
		{"explain FILE", exitUsage, "give the destination's configuration with -c destination.yaml\n"},
		{"explain -c CONFIG a b", exitUsage, "accepts at most 1 arg(s), received 2\n"},
	} {
		got := command(t, "", strings.Fields(strings.ReplaceAll(c.args, "CONFIG", s.configFile))...)
		if got.code != c.code || !strings.HasPrefix(got.stderr, strings.ReplaceAll(c.stderr, "CONFIG", s.configFile)) || (c.stderr == "") != (got.stderr == "") {
			t.Errorf("%s: %+v", c.args, got)
		}
		if c.code != 0 && got.stdout != "" {
			t.Errorf("%s: a mistake is told on standard output: %s", c.args, got.stdout)
		}
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "otpl")
	if got := command(t, "", "run", "-c", s.configFile); got.code != exitUsage || !strings.Contains(got.stderr, "OTEL_") {
		t.Errorf("an exporter that there is not: %+v", got)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "")
	s.write(s.changed(s.admin, "203.0.113.1:8080")) // an address of nobody's
	if got := command(t, "", "run", "-c", s.configFile); got.code != exitFailed || !strings.Contains(got.stderr, "kinesis-destination: listen on server.listen 203.0.113.1:8080: ") {
		t.Errorf("an address that cannot be listened on: %+v", got)
	}
}

// named are the flags and commands that a help text speaks of.
var (
	namedFlag    = regexp.MustCompile(`--[a-z][a-z-]*`)
	namedCommand = regexp.MustCompile(`\b(demo|run|validate|explain|replay|lag|dead-letters|verify|serve)\b`)
)

func TestHelpNamesOnlyWhatExists(t *testing.T) {
	commands := map[string]bool{}
	for _, c := range rootCommand().Commands() {
		commands[c.Name()] = true
	}
	seen := 0
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		seen++
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		got := command(t, "", args...)
		if got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, "Usage:") {
			t.Errorf("%v: %+v", args, got)
		}
		for _, flag := range namedFlag.FindAllString(c.Long+c.Use, -1) {
			if c.Flags().Lookup(flag[2:]) == nil {
				t.Errorf("%v speaks of %s", args, flag)
			}
		}
		for _, name := range namedCommand.FindAllString(c.Long, -1) {
			if !commands[name] {
				t.Errorf("%v speaks of the command %s", args, name)
			}
		}
		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(rootCommand())
	if seen < 6 {
		t.Errorf("%d commands", seen)
	}
}

func TestTheLogGoesToStandardErrorInTheFormAskedFor(t *testing.T) {
	s := startServers(t)
	ended := s.run("--log-format", "json").stop()
	if ended.code != 0 || ended.stdout != "" {
		t.Errorf("%+v", ended)
	}
	for line := range strings.Lines(ended.stderr) {
		var entry struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Time == "" || entry.Level == "" || entry.Msg == "" {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// rules is what /status says of the rules.
func (s *servers) rules() destination.Status {
	s.t.Helper()
	res, err := http.Get("http://" + s.admin + "/status")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var overview destination.Overview
	if err := json.Unmarshal(body, &overview); err != nil {
		s.t.Fatal(err)
	}
	return overview.Destinations[0]
}

func TestRunTakesNewRulesOnSIGHUPAndOnAChangedFile(t *testing.T) {
	s := startServers(t)
	r := s.run()
	first := s.rules()
	if first.Rules.Version != 1 || len(first.Rules.Hash) != 12 || first.Rules.LoadedAt.IsZero() || first.Refused != nil {
		t.Errorf("%+v", first.Rules)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "SIGHUP is heard", func() bool { return strings.Contains(r.stderr.String(), "the rules are the same") })

	swap := func(text string) { // as an editor does it
		t.Helper()
		next := filepath.Join(filepath.Dir(s.configFile), ".next")
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, s.configFile); err != nil {
			t.Fatal(err)
		}
	}
	swap(s.changed("[person.email]", "[]"))
	eventually(t, "the changed file is in force", func() bool { return s.rules().Rules.Version == 2 })
	swap(s.changed("stream: ", "stream: another-"))
	eventually(t, "a change of the stream is refused", func() bool { return s.rules().Refused != nil })
	if refused := s.rules(); refused.Rules.Version != 2 || len(refused.Refused.Problems) != 1 ||
		!strings.HasPrefix(refused.Refused.Problems[0], s.configFile+":8: target.kinesis.stream: has changed; that needs a restart") {
		t.Errorf("%+v", refused.Refused)
	}
	if ended := r.stop(); ended.code != 0 || strings.Count(ended.stderr, "new configuration refused") != 1 {
		t.Errorf("%+v", ended)
	}
}
