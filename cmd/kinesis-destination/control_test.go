package main

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/seal"
	"kinesis-destination/consumer/embeddedkafka"
)

func keyLine(id, letter string) string {
	return id + " " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))
}

// storeWithASecret is the folder of a store with a connection, whose secret is sealed.
func storeWithASecret(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := journal.OpenFiles(t.Context(), dir, journal.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.FromEnvironment("KEYS", keyLine("old", "o"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{"name": "AWS", "auth": ring.Seal("connections/1", "/auth", []byte("hunter2"))})
	if err != nil {
		t.Fatal(err)
	}
	docs := []journal.Doc{{Key: "connections/1", Body: body}}
	if _, err := s.Propose(t.Context(), journal.Change{Docs: docs, By: "someone\x1b[31m", Why: "POST /connections"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Propose(t.Context(), journal.Change{Docs: docs, By: "another"}); err == nil {
		t.Fatal("a document was made twice")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAControlStoreIsCheckedResealedAuditedExportedAndImported(t *testing.T) {
	dir, keys := storeWithASecret(t), filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(keyLine("new", "n")+"\n"+keyLine("old", "o")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	step := func(code int, want string, args ...string) output {
		t.Helper()
		got := command(t, "", append([]string{"control"}, args...)...)
		if got.code != code || !strings.Contains(got.stdout+got.stderr, want) || strings.Contains(got.stdout+got.stderr, "hunter2") {
			t.Errorf("%v: %+v", args, got)
		}
		return got
	}
	step(0, "1 documents\n", "check", "--store", dir, "--seal-keys", keys)
	step(0, "1 secrets of 1 documents sealed with key new", "reseal", "--store", dir, "--seal-keys", keys)
	step(0, "0 secrets of 0 documents", "reseal", "--store", dir, "--seal-keys", keys)
	audit := step(0, "makes connections/1; connections/1 is ", "audit", "--store", dir, "--key", "connections/").stdout
	if strings.Contains(audit, "\x1b") || !strings.Contains(audit, "reseal with key new") || strings.Count(audit, "\n") != 4 {
		t.Error(audit)
	}
	step(0, `"verdict":"conflict"`, "audit", "--store", dir, "-o", "json")
	export := step(0, "1 documents exported", "export", "--store", dir).stdout
	into := t.TempDir()
	if got := command(t, export, "control", "import", "-", "--store", into); got.code != 0 || got.stdout != "1 documents imported\n" {
		t.Errorf("%+v", got)
	}
	if again := step(0, "", "export", "--store", into).stdout; strings.Count(again, "\n") != 3 || !strings.Contains(again, `"kid":"new"`) {
		t.Error(again)
	}
	if err := os.WriteFile(keys, []byte(keyLine("new", "x")), 0o600); err != nil {
		t.Fatal(err)
	}
	step(1, "PROBLEM /auth of connections/1: not sealed for this", "check", "--store", dir, "--seal-keys", keys)
	step(1, "there is no store", "export", "--store", t.TempDir())
	step(2, "one of --store DIR", "export")
	step(2, "one of --store DIR", "export", "--store", dir, "--brokers", "127.0.0.1:1")
	step(2, "give --seal-keys FILE", "reseal", "--store", dir)
}

func TestAControlStoreInKafkaIsReachedByAConfigurationOrBrokers(t *testing.T) {
	cluster, err := embeddedkafka.Start(embeddedkafka.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	brokers := strings.Join(cluster.ListenAddrs(), ",")
	if got := command(t, "", "control", "export", "--brokers", brokers); got.code != 1 || !strings.Contains(got.stderr, "there is no store") {
		t.Errorf("%+v", got)
	}
	export := command(t, "", "control", "export", "--store", storeWithASecret(t))
	if got := command(t, export.stdout, "control", "import", "-", "--brokers", brokers); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	source := filepath.Join(t.TempDir(), "source.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("name: profiles\nkafka: {brokers: [" + cluster.ListenAddrs()[0] + "], topic: segment-evaluations}\nschemaRegistry: {url: http://localhost:8081}\n")
	if got := command(t, "", "control", "export", "--brokers", brokers, "--source", source); got.code != 0 {
		t.Errorf("%+v", got)
	}
	write("name: profiles\nkafka: {brokers: [" + cluster.ListenAddrs()[0] + "], topic: segment-evaluations, tls: {enabled: true, caFile: none.pem}}\nschemaRegistry: {url: http://localhost:8081}\n")
	if got := command(t, "", "control", "export", "--brokers", brokers, "--source", source); got.code == 0 || !strings.Contains(got.stderr, "none.pem") {
		t.Errorf("the source's tls is passed over: %+v", got)
	}
	if got := command(t, "", "control", "export", "--store", t.TempDir(), "--source", source); got.code != 2 || !strings.Contains(got.stderr, "--brokers") {
		t.Errorf("%+v", got)
	}
	if got := command(t, "", "control", "check", "--brokers", brokers); got.code != 0 || !strings.Contains(got.stdout, "1 documents") {
		t.Errorf("%+v", got)
	}
}

// TestAControlStoreIsReadBesideTheProcessThatHasIt: a backup, a check and the audit need no
// stop; what changes the store does.
func TestAControlStoreIsReadBesideTheProcessThatHasIt(t *testing.T) {
	dir := storeWithASecret(t)
	s, err := journal.OpenFiles(t.Context(), dir, journal.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	before, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	torn, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString("01234567 {half of what the process writes"); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{"export": "1 documents exported", "check": "1 documents\n", "audit": "makes connections/1"} {
		got := command(t, "", "control", args, "--store", dir)
		if got.code != 0 || !strings.Contains(got.stdout+got.stderr, want) || strings.Contains(got.stderr, "level=") {
			t.Errorf("%s: %+v", args, got)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil || !strings.HasPrefix(string(after), string(before)) || !strings.HasSuffix(string(after), "process writes") {
		t.Errorf("the journal was written to: %v", err)
	}
	if got := command(t, "", "control", "import", "-", "--store", dir); got.code != 1 || !strings.Contains(got.stderr, "another process has this store open") {
		t.Errorf("%+v", got)
	}
}

// TestATableWithoutRowsSaysWhatIsNotThere: a line of headings alone looked like an error.
func TestATableWithoutRowsSaysWhatIsNotThere(t *testing.T) {
	dir, tokens := storeWithASecret(t), filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"control audit --store " + dir + " --key flows/": "no entries that concern flows/\n",
		"token list --token-file " + tokens:              "no tokens in " + tokens + "; the create command makes one\n",
	} {
		if got := command(t, "", strings.Fields(args)...); got.code != 0 || got.stdout != want {
			t.Errorf("%s: %+v", args, got)
		}
	}
}
