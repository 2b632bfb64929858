package status

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/control/topic"
)

func TestAFileHasWhatWasToldAfterARestartAndStaysShort(t *testing.T) {
	dir := t.TempDir()
	f, err := openFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openFile(dir); err == nil {
		t.Error("two processes have one file")
	}
	big := `"` + strings.Repeat("x", 10_000) + `"`
	for i := range 500 {
		if err := f.Append(t.Context(), []topic.Record{{Key: fmt.Appendf(nil, "k%d", i%3), Value: fmt.Appendf(nil, "[%d,%s]", i, big)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Append(t.Context(), []topic.Record{{Key: []byte("k0")}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName)
	info, err := os.Stat(path)
	if err != nil || info.Size() > 2*30_000+fileSlack+20_000 {
		t.Errorf("%v: %d bytes of three records", err, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte("00000000 {}\n"), text...)
	if err := os.WriteFile(path, append(damaged, []byte("1234 cut of")...), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time what was cut off is no more
		if f, err = openFile(dir); err != nil {
			t.Fatal(err)
		}
		last := map[string]string{}
		for _, r := range f.arrived {
			last[string(r.Key)] = string(r.Value)
		}
		if last["k0"] != "" || !strings.HasPrefix(last["k1"], "[499,") || !strings.HasPrefix(last["k2"], "[497,") {
			t.Errorf("%.20q %.20q %.20q", last["k0"], last["k1"], last["k2"])
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
