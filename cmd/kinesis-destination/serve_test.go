package main

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/testutil"
)

// serveFiles are a source and a key in a folder.
func serveFiles(t *testing.T) (source, keys, dir string) {
	t.Helper()
	dir = t.TempDir()
	source, keys = filepath.Join(dir, "source.yaml"), filepath.Join(dir, "keys")
	for file, text := range map[string]string{
		source: "name: profiles\nkafka: {brokers: [\"localhost:9092\"], topic: segment-evaluations}\nschemaRegistry: {url: http://localhost:8081}\n",
		keys:   "k1 " + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")) + "\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return source, keys, dir
}

// TestTwoSourcesOfOneNameAreRefused: which of them a flow reads would hang on the order of flags.
func TestTwoSourcesOfOneNameAreRefused(t *testing.T) {
	source, keys, dir := serveFiles(t)
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	second, other := filepath.Join(dir, "second.yaml"), filepath.Join(dir, "other.yaml")
	for file, more := range map[string]string{second: "sandbox: prod\n", other: "sandbox: dev\n"} {
		if err := os.WriteFile(file, append([]byte(more), text...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := command(t, "", "serve", "--store", dir+"/store", "--seal-keys", keys, "--source", source, "--source", other, "--source", second)
	if got.code != exitUsage || !strings.Contains(got.stderr, second) || !strings.Contains(got.stderr, source+" has it") || strings.Contains(got.stderr, other) || !strings.Contains(got.stderr, "prod") {
		t.Errorf("%+v", got)
	}
	if _, err := readSources([]string{source, other}); err != nil {
		t.Errorf("in two sandboxes: %v", err)
	}
}

// TestAnAddressInUseIsNamedByItsFlag, not by a key of a file that serve does not have.
func TestAnAddressInUseIsNamedByItsFlag(t *testing.T) {
	source, keys, dir := serveFiles(t)
	used, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // the test's own time bounds it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = used.Close() }() // the process ends anyway
	at := used.Addr().String()
	for flag, other := range map[string]string{"--admin": "--listen", "--listen": "--admin"} {
		got := command(t, "", "serve", "--store", dir+"/store", "--source", source, "--seal-keys", keys, flag, at, other, "127.0.0.1:0")
		if got.code != exitFailed || !strings.Contains(got.stderr, "listen on "+flag+" "+at) || strings.Contains(got.stderr, "server.listen") {
			t.Errorf("%s: %+v", flag, got)
		}
	}
}

func TestServeRefusesWhatWouldBeOpenToOthers(t *testing.T) {
	source, keys, dir := serveFiles(t)
	for args, said := range map[string]string{
		"serve":                         "--store DIR or --brokers LIST",
		"serve --store D --brokers a:1": "--store DIR or --brokers LIST",
		"serve --store D":               "--source FILE",
		"serve --store D --source S":    "--seal-keys FILE",
		"serve --store D --source S --seal-keys K --listen 0.0.0.0:0":                 "--token-file",
		"serve --store D --source S --seal-keys K --listen :0":                        "--token-file",
		"serve --store D --source S --seal-keys K --listen here":                      "host:port",
		"serve --store D --source S --seal-keys K --admin here":                       "--admin",
		"serve --store D --source S --seal-keys K --tls-cert c.pem":                   "go together",
		"serve --store D --source K --seal-keys K":                                    "K:1",
		"serve --store D --source S --seal-keys S":                                    "",
		"serve --store D --source S --seal-keys K --token-file none.yaml":             "none.yaml",
		"serve --store D --source S --seal-keys K --tls-cert none.pem --tls-key none": "--tls-cert",
		"token create a": "--token-file",
		"token create a --token-file T --permission root": "no permission",
		"token revoke a --token-file none.yaml":           "none.yaml",
	} {
		replace := strings.NewReplacer(" D", " "+dir+"/store", " S", " "+source, " K", " "+keys, " T", " "+dir+"/tokens")
		got := command(t, "", strings.Fields(replace.Replace(args))...)
		said = strings.Replace(said, "K:1", keys+":1", 1)
		if got.code != exitUsage || !strings.Contains(got.stderr, said) {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

func TestATokenIsShownOnceAndListedWithoutItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.yaml")
	made := command(t, "", "token", "create", "ops", "--token-file", file, "--permission", "view,manage")
	if made.code != 0 || !strings.HasPrefix(made.stdout, "kdt_") {
		t.Fatalf("%+v", made)
	}
	listed := command(t, "", "token", "list", "--token-file", file)
	if !strings.Contains(listed.stdout, "ops") || strings.Contains(listed.stdout, strings.TrimSpace(made.stdout)) {
		t.Errorf("%+v", listed)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file may be read by others: %v %v", info.Mode(), err)
	}
	if got := command(t, "", "token", "create", "ops", "--token-file", file); got.code != exitUsage {
		t.Errorf("a second token of a name: %+v", got)
	}
	if got := command(t, "", "token", "create", "unset", "--token-file", file, "--sandbox", ""); got.code != exitUsage || !strings.Contains(got.stderr, "--sandbox") {
		t.Errorf("a token for all sandboxes that was not asked for: %+v", got)
	}
	if got := command(t, "", "token", "revoke", "ops", "--token-file", file); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// process is a command that runs until it is ended.
type process struct {
	t     *testing.T
	said  testutil.Buffer
	stop  context.CancelFunc
	ended chan int
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	p := &process{t: t, stop: cancel, ended: make(chan int, 1)}
	t.Cleanup(cancel)
	go func() { p.ended <- execute(ctx, args, strings.NewReader(""), &testutil.Buffer{}, &p.said) }()
	return p
}

// says waits until the log has a pattern, and is what that has found.
func (p *process) says(pattern string) string {
	p.t.Helper()
	at := regexp.MustCompile(pattern)
	for {
		if found := at.FindStringSubmatch(p.said.String()); found != nil {
			return found[1]
		}
		select {
		case code := <-p.ended:
			p.t.Fatalf("ended with %d: %s", code, p.said.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end ends it, and expects that it does so in order.
func (p *process) end() {
	p.t.Helper()
	p.stop()
	if code := <-p.ended; code != 0 {
		p.t.Errorf("ended with %d: %s", code, p.said.String())
	}
}

func TestServeAnswersUntilItIsStopped(t *testing.T) {
	source, keys, dir := serveFiles(t)
	served := launch(t, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", filepath.Join(dir, "store"), "--source", source, "--seal-keys", keys)
	address, admin := served.says(`address=(http://[0-9.:]+)`), "http://"+served.says(`listen=([0-9.:]+)`)
	for url, words := range map[string]string{
		address + "/data/foundation/flowservice/connectionSpecs": "Amazon Kinesis",
		address + "/s/prod/settings":                             "<bdi>" + dir,
		admin + "/healthz":                                       "ok",
		admin + "/readyz":                                        "ready",
		admin + "/metrics":                                       `kinesis_destination_control_read_only{reason="log"} 0`,
		admin + "/status":                                        `"destinations": []`,
	} {
		response, err := http.Get(url) //nolint:noctx // the test's own time bounds it
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(text), words) {
			t.Errorf("%s: %d %v %s", url, response.StatusCode, err, text)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	served.end()
}

// TestAFolderIsFollowedWhileNothingServesIt: one process at a time has the journal of a folder.
func TestAFolderIsFollowedWhileNothingServesIt(t *testing.T) {
	source, keys, dir := serveFiles(t)
	kept := []string{"--admin", "127.0.0.1:0", "--store", filepath.Join(dir, "store"), "--source", source, "--seal-keys", keys}
	serve, follow := append([]string{"serve", "--listen", "127.0.0.1:0"}, kept...), append([]string{"run", "--follow"}, kept...)
	served := launch(t, serve...)
	served.says(`(address=)`)
	if got := command(t, "", follow...); got.code == 0 || !strings.Contains(got.stderr, "end it, or use Kafka") {
		t.Errorf("beside serve: %+v", got)
	}
	served.end()
	followed := launch(t, follow...)
	followed.says(`(flows of the control plane are run here)`)
	followed.end()
}
