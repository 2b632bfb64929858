// Command gotest runs go test with the given arguments, prints its output without the lines of passing tests,
// and appends "passed failed" to the file named by TEST_TOTALS. It needs nothing that go test does not need.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// event is one line of go test -json, as cmd/test2json documents it.
type event struct {
	Action, Package, Test, Output string
}

// tally counts tests and subtests, and keeps a running test's output until its verdict says whether it is shown.
type tally struct {
	passed, failed int
	pending        map[string][]string // by package and test
	blamed         map[string]bool     // packages with a failed test
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("open go test's output: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	t := &tally{pending: map[string][]string{}, blamed: map[string]bool{}}
	readErr := t.read(out, os.Stdout)
	testErr := cmd.Wait()
	// go test also fails before there is any test: a bad pattern, a module that cannot be loaded.
	if testErr != nil && t.failed == 0 {
		t.failed = 1
	}
	if err := t.record(os.Getenv("TEST_TOTALS")); err != nil {
		return err
	}
	if readErr != nil {
		return fmt.Errorf("read go test's output: %w", readErr)
	}
	if testErr != nil {
		return fmt.Errorf("go test: %w", testErr)
	}
	return nil
}

func (t *tally) read(from io.Reader, to io.Writer) error {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				t.add(e, to)
			} else {
				fmt.Fprintf(to, "%s", line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) add(e event, to io.Writer) {
	key := e.Package + " " + e.Test
	switch {
	case (e.Action == "output" || e.Action == "build-output") && e.Test == "":
		// The verdict of the package is on its ok or FAIL line.
		if e.Output != "PASS\n" && e.Output != "FAIL\n" {
			fmt.Fprint(to, e.Output)
		}
	case e.Action == "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			t.pending[key] = append(t.pending[key], e.Output)
		}
	case e.Action == "pass" && e.Test != "":
		t.passed++
		delete(t.pending, key)
	case e.Action == "skip":
		delete(t.pending, key)
	case e.Action == "fail" && e.Test != "":
		t.failed++
		t.blamed[e.Package] = true
		fmt.Fprint(to, strings.Join(t.pending[key], ""))
		delete(t.pending, key)
	case e.Action == "fail":
		// A package that does not build, or whose process died: its unfinished tests have no verdict of their own.
		for open, output := range t.pending {
			if strings.HasPrefix(open, e.Package+" ") {
				fmt.Fprint(to, strings.Join(output, ""))
			}
		}
		if !t.blamed[e.Package] {
			t.failed++
		}
	}
}

// record appends the counts to the file, so that several runs add up; no file, no record.
func (t *tally) record(path string) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open the totals: %w", err)
	}
	if _, err := fmt.Fprintln(file, t.passed, t.failed); err != nil {
		return fmt.Errorf("write the totals: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("close the totals: %w", err)
	}
	return nil
}
