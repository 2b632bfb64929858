//go:build !release

package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/testutil"
)

// asked is what an address answers; empty where it does not.
func asked(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address) //nolint:noctx // the test's own time bounds it
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// madeAsSaid makes the stream by the call that is printed for it.
func madeAsSaid(t *testing.T, said string) {
	t.Helper()
	call := regexp.MustCompile(`(?m)^  curl -sS --aws-sigv4 aws:amz:us-east-1:kinesis --user demo:demo (\S+) -H 'X-Amz-Target: (\S+)' -H 'Content-Type: (\S+)' -d '(.+)'$`).FindStringSubmatch(said)
	if call == nil {
		t.Fatalf("no call makes the stream: %s", said)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, call[1], strings.NewReader(call[4]))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", call[2])
	request.Header.Set("Content-Type", call[3])
	request.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=demo/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0") // which nobody checks there
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the stream is not made: %s", answer.Status)
	}
}

func TestADemoThatIsKeptIsACompanyWithAHeldFlowAndDeadLetters(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stdout, stderr testutil.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, []string{"demo", "--keep", "--events", "400"}, strings.NewReader(""), &stdout, &stderr)
	}()
	eventually(t, "the company is there", func() bool { return strings.Contains(stdout.String(), "/status http://") || len(ended) > 0 })
	said := stdout.String()
	page := regexp.MustCompile(`A company is at\n\n  (http://[0-9.:]+)/\n`).FindStringSubmatch(said)
	if page == nil {
		t.Fatalf("no address of a page: %s%s", said, stderr.String())
	}
	stands := func(name, state string) {
		t.Helper()
		list := asked(t, page[1]+"/s/prod/flows")
		found := regexp.MustCompile(`href="(/s/prod/flows/[0-9a-f-]{36})"><bdi>` + name).FindStringSubmatch(list)
		if found == nil {
			t.Fatalf("the list of flows has no %q: %s", name, list)
		}
		calm := time.NewTicker(100 * time.Millisecond) // so many calls a second are answered, and no more
		defer calm.Stop()
		eventually(t, name+" is "+state, func() bool {
			<-calm.C
			return strings.Contains(asked(t, page[1]+found[1]), "state-"+state)
		})
	}
	stands("Newsletter agency", "held")
	stands("White-paper leads for sales", "running")
	stands("Shop customers for the data lake", "running")
	calls := regexp.MustCompile(`curl -sS '?(http://[^ '\n]+/flowservice/[^ '\n]+)`).FindAllStringSubmatch(said, -1)
	if len(calls) != 2 {
		t.Fatalf("%d calls to try: %s", len(calls), said)
	}
	for _, call := range calls {
		if text := asked(t, call[1]); !strings.Contains(text, `"items"`) {
			t.Errorf("%s answers %s", call[1], text)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tries := regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(program)+` (.+)$`).FindAllStringSubmatch(said, -1)
	if len(tries) != 4 {
		t.Fatalf("%d commands to try: %s", len(tries), said)
	}
	for _, try := range tries {
		var got output
		eventually(t, try[1], func() bool {
			got = command(t, "", strings.Fields(try[1])...)
			return got.code == 0 || !strings.HasPrefix(try[1], "verify") // until the flow has caught up
		})
		if got.code != 0 || got.stdout == "" || strings.HasPrefix(try[1], "dead-letters") && strings.HasPrefix(got.stdout, "0 ") {
			t.Errorf("%s: %+v", try[1], got)
		}
	}
	madeAsSaid(t, said)
	stands("Newsletter agency", "running")
	eventually(t, "events go on", func() bool { // more than the ordinary demo made
		ends := 0
		for _, row := range regexp.MustCompile(`(?m)^\d+ +\d+ +(\d+) `).FindAllStringSubmatch(command(t, "", strings.Fields(tries[0][1])[:3]...).stdout, -1) {
			end, err := strconv.Atoi(row[1])
			if err != nil {
				t.Fatal(err)
			}
			ends += end
		}
		return ends > 400
	})
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("it ended with %d: %s", code, stderr.String())
	}
	if _, err := os.Stat(filepath.Dir(strings.Fields(tries[1][1])[3])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is left: %v", err)
	}
}
