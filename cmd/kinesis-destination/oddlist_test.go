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
