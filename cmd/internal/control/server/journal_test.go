package server_test

import (
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/seal"
	"kinesis-destination/cmd/internal/control/server"
)

// The services on the journal itself: a flow that was made is there after a restart,
// with its credentials, and of many who change one version one is answered with 202.
func TestWhatWasMadeOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte("k1 "+base64.StdEncoding.EncodeToString(make([]byte, 31))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.ReadFiles(keys); err == nil {
		t.Fatal("a key of 31 bytes is taken")
	}
	key := []byte("0123456789abcdef0123456789abcdef")
	if err := os.WriteFile(keys, []byte("k1 "+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ring, err := seal.ReadFiles(keys)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *journal.Store {
		store, err := journal.OpenFiles(t.Context(), filepath.Join(dir, "store"), journal.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := open()
	on := func(o *server.Options) { o.Store, o.Sealer = server.Journal(store), server.Sealer{Ring: ring} }
	r := newRig(t, on)
	m := r.flow(thirdParty)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 20 {
		wg.Go(func() {
			got := r.call("PATCH", flowservice+"/flows/"+m.flow, add(string(rune('a'+i)), ""), "If-Match", m.etag)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if statuses[202] != 1 || statuses[412] != 19 {
		t.Errorf("20 changes of one version were answered %v", statuses)
	}
	r.call("PUT", policyservice+"/enabledCorePolicies", `{"policyIds":["corepolicy_0002"]}`).is(200)
	etag := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "etag")
	r.call("PATCH", flowservice+"/flows/"+m.flow, add("", "mobilePhone.number"), "If-Match", etag).is(409)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = open()
	defer func() { _ = store.Close() }()
	r = newRig(t, on)
	if got := r.call("GET", flowservice+"/flows/"+m.flow, "").is(200).str("items", 0, "etag"); got != etag {
		t.Errorf("after a restart the etag is %s, and was %s", got, etag)
	}
	view, err := server.Journal(store).View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.server.Flows.Config(view, "prod", m.flow)
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := c.Target.Kinesis.Credentials.SecretAccessKey(); err != nil || secret != secretKey {
		t.Errorf("the keys are not there after a restart: %v", err)
	}
	r.call("DELETE", flowservice+"/flows/"+m.flow, "").is(202)
	r.call("GET", flowservice+"/flows/"+m.flow, "").is(404)
}

// TestAReadOnlyPlaneSaysOnceThatItIsAndWhatToDo: here an entry was taken out of the journal.
func TestAReadOnlyPlaneSaysOnceThatItIsAndWhatToDo(t *testing.T) {
	dir := t.TempDir()
	open := func() *journal.Store {
		store, err := journal.OpenFiles(t.Context(), dir, journal.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := open()
	on := func(o *server.Options) { o.Store = server.Journal(store) }
	r := newRig(t, on)
	m := r.flow(leads)
	for _, segment := range []string{"a", "b"} {
		m.etag = r.call("PATCH", flowservice+"/flows/"+m.flow, add(segment, ""), "If-Match", m.etag).is(202).str("etag")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "journal")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	entries := strings.SplitAfter(string(text), "\n")
	if err := os.WriteFile(file, []byte(strings.Join(slices.Delete(entries, len(entries)-3, len(entries)-2), "")), 0o600); err != nil {
		t.Fatal(err)
	}
	store = open()
	defer func() { _ = store.Close() }()
	got := newRig(t, on).call("DELETE", flowservice+"/flows/"+m.flow, "").is(503).says("offset ", "control check", "control import")
	if n := strings.Count(got.str("detail"), "the control plane is read-only"); n != 1 {
		t.Errorf("it says so %d times: %s", n, got.text)
	}
}
