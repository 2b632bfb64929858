package connect

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Who answers for credentials, a proxy in between included, cannot fill the memory.
func TestAnAnswerWithCredentialsIsReadUpToItsBound(t *testing.T) {
	sent := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		blanks := bytes.Repeat([]byte(" "), 64<<10) // which JSON may begin with
		for sent < 256<<20 {
			n, err := w.Write(blanks)
			if sent += n; err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL)
	_, err := (&SASL{region: "us-east-1"}).iamToken(t.Context())
	server.Close() // what it sent is counted by then
	if !errors.Is(err, errTokenAnswer) || sent > 64<<20 {
		t.Errorf("%v, after %d bytes were sent", err, sent)
	}
}
