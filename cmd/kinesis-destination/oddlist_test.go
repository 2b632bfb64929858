package main

import (
	"strings"
	"testing"
)

func TestListRefusesANegativeCount(t *testing.T) {
	s := startServers(t)
	if out := command(t, "", "dead-letters", "list", "-c", s.configFile, "--newest", "-5"); out.code != exitUsage || !strings.Contains(out.stderr, "--newest") {
		t.Errorf("%+v", out)
	}
}

// A slip of the pen chose no letters, and an empty variable of a script chose all.
func TestAFilterThatChoosesNothingOrAllByMistakeIsWrongUsage(t *testing.T) {
	s := startServers(t)
	for _, c := range []struct{ flag, value, want string }{
		{"--reason", "nosuch", `--reason "nosuch": no letter has it (malformed, unknown-schema, `},
		{"--reason", "malformed,unknown-shema", "did you mean unknown-schema?"},
		{"--stage", "transorm", "did you mean transform?"},
		{"--stage", "fetch", "a message with another word is no letter of ours: --reason foreign"},
		{"--reason", "", "--reason is empty, which would choose all letters"},
		{"--stage", "", "--stage is empty"},
		{"--identity", "", "--identity is empty"},
		{"--since", "", "--since is empty"},
		{"--until", "", "--until is empty"},
	} {
		for _, verb := range []string{"list", "redrive", "drop"} {
			out := command(t, "", "dead-letters", verb, "-c", s.configFile, "--partition", "0", "--offset", "0", c.flag, c.value)
			if out.code != exitUsage || !strings.Contains(out.stderr, c.want) {
				t.Errorf("%s %s %q: %+v", verb, c.flag, c.value, out)
			}
		}
	}
	for _, word := range []string{"foreign", "other-destination", "malformed"} {
		if out := command(t, "", "dead-letters", "list", "-c", s.configFile, "--reason", word); out.code != 0 {
			t.Errorf("%s: %+v", word, out)
		}
	}
}

// A script's unset variable sent a replay for another stream to the configuration's.
func TestAReplayToAnEmptyStreamOrOfAnEmptySegmentIsWrongUsage(t *testing.T) {
	for flag, want := range map[string]string{"--stream": "--stream is empty, which would send to the configuration's stream", "--segment": "--segment is empty, which would send the events of all"} {
		if out := command(t, "", "replay", "-c", "none.yaml", "--from", "earliest", "--to", "latest", flag, ""); out.code != exitUsage || !strings.Contains(out.stderr, want) {
			t.Errorf("%s: %+v", flag, out)
		}
	}
}
