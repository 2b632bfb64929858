package destination

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/config"
)

// watched is a destination's file, with a policies file and a secret, that is watched.
type watched struct {
	t      *testing.T
	folder string
	hangup chan os.Signal
	reload <-chan struct{}
}

func startWatch(t *testing.T, folder string) *watched {
	t.Helper()
	cfg, err := config.Load(filepath.Join(folder, "destination.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watched{t: t, folder: folder, hangup: make(chan os.Signal, 1)}
	var stopped <-chan struct{}
	w.reload, stopped = config.Watch(ctx, []config.Config{cfg}, w.hangup, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	return w
}

func (w *watched) seen(what string) {
	w.t.Helper()
	select {
	case <-w.reload:
	case <-time.After(20 * time.Second):
		w.t.Errorf("%s was not seen", what)
	}
}

func writeFile(t *testing.T, text string, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// watchedConfig has its policies and its secret in files of other folders.
const watchedConfig = `name: leads
source:
  kafka: {brokers: ["127.0.0.1:9092"], topic: events}
  schemaRegistry: {url: "http://127.0.0.1:8081", username: me, password: "file://secrets/password"}
target: {kinesis: {region: us-east-1, stream: leads}}
activation: {segments: [{id: A}]}
governance: {policiesFile: policies/policies.yaml}
`

func TestWatchSeesEveryFileThatTheConfigurationIsReadFrom(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, watchedConfig, folder, "destination.yaml")
	writeFile(t, "policies: []\n", folder, "policies/policies.yaml")
	writeFile(t, "one", folder, "secrets/password")
	w := startWatch(t, folder)

	writeFile(t, watchedConfig+"# changed\n", folder, "destination.yaml")
	w.seen("a write")
	writeFile(t, watchedConfig+"# again\n", folder, ".destination.yaml.swp")
	if err := os.Rename(filepath.Join(folder, ".destination.yaml.swp"), filepath.Join(folder, "destination.yaml")); err != nil {
		t.Fatal(err)
	}
	w.seen("a new file in the old one's place")
	writeFile(t, "policies: [] # changed\n", folder, "policies/policies.yaml")
	w.seen("the policies file")
	writeFile(t, "two", folder, "secrets/password")
	w.seen("a secret")
	w.hangup <- syscall.SIGHUP
	w.seen("SIGHUP")
	writeFile(t, "policies: []\n", folder, "other/policies.yaml")
	writeFile(t, strings.Replace(watchedConfig, "policies/", "other/", 1), folder, "destination.yaml")
	w.seen("another policies file")
	writeFile(t, "policies: [] # changed\n", folder, "other/policies.yaml")
	w.seen("a change of the other policies file")
}

// TestWatchSeesKubernetesSwapAConfigMap changes a volume as the kubelet does: the
// file leads through ..data, which is put in the place of the one before.
func TestWatchSeesKubernetesSwapAConfigMap(t *testing.T) {
	folder := t.TempDir()
	text := strings.ReplaceAll(strings.Replace(watchedConfig, "governance: {policiesFile: policies/policies.yaml}\n", "", 1), ` password: "file://secrets/password"`, "")
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, text, folder, "..2026_01/destination.yaml")
	link("..2026_01", "..data")
	link("..data/destination.yaml", "destination.yaml")
	w := startWatch(t, folder)
	for _, version := range []string{"..2026_02", "..2026_03"} {
		writeFile(t, text+"# "+version+"\n", folder, version, "destination.yaml")
		link(version, "..data_tmp")
		if err := os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
		w.seen("the swap to " + version)
	}
}
