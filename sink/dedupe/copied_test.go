package dedupe_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// reader is a program of somebody else's, with the package copied into its module.
const reader = `package main

import (
	"fmt"

	"example.com/reader/dedupe"
)

func main() {
	filter := dedupe.New(1_000_000)
	for range 2 {
		fresh, err := filter.Fresh("lead-4711", []byte(` + "`" + `{"_source": {"topic": "t", "partition": 0, "offset": 9}}` + "`" + `))
		fmt.Println(fresh, err)
	}
}
`

// The module's path is no host's, so nobody can go get it: a reader copies dedupe.go and
// its test, which must need nothing else.
func TestTheFilterWorksInAnotherModule(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", []byte("module example.com/reader\n\ngo 1.22\n"))
	write("main.go", []byte(reader))
	for _, name := range []string{"dedupe.go", "dedupe_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write("dedupe/"+name, text)
	}
	run := func(args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "go", args...)
		command.Dir = folder
		command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("test", "./dedupe")
	if out := run("run", "."); out != "true <nil>\nfalse <nil>\n" {
		t.Errorf("the reader says %q", out)
	}
}
