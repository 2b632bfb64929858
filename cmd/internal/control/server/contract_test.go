package server_test

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// fuzzTime bounds how long calls are made up.
const fuzzTime = 2 * time.Minute

// Schemathesis makes up calls of the description, good and bad ones: none is answered
// with 500, and no answer is other than described. It is run by make contract, which
// says in SCHEMATHESIS where it is.
func TestContractNoCallThatIsMadeUpIsAnsweredOtherwiseThanDescribed(t *testing.T) {
	at := os.Getenv("SCHEMATHESIS")
	if at == "" {
		t.Skip("SCHEMATHESIS is not set: make contract sets it")
	}
	r := newRig(t)
	r.flow(leads)
	server := httptest.NewServer(r.server)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*fuzzTime)
	defer cancel()
	run := exec.CommandContext(ctx, "python3", "-c", "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())",
		"run", server.URL+"/openapi.yaml", "--url", server.URL, "-n", "25", "--max-time", "120", "--seed", "1",
		"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance,unsupported_method")
	run.Dir = t.TempDir()
	run.Env = append(os.Environ(), "PYTHONPATH="+at, "no_proxy=127.0.0.1", "NO_COLOR=1")
	out, err := run.CombinedOutput()
	text := string(out)
	if i := strings.Index(text, "= SUMMARY"); i >= 0 {
		t.Log(text[i:])
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, text)
	}
	if strings.Contains(r.log.String(), "panicked") {
		t.Errorf("a call panicked:\n%s", r.log.String())
	}
}
