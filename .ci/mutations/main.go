// Command mutations breaks one invariant after another on purpose and runs the
// test that must catch it. It fails when a mutation survives, does not build, or
// no longer finds the text that it changes, and says what caught each.
//
//	go run ./.ci/mutations [-only REGEXP] [-seed N]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// every mutation there is.
var every = slices.Concat(mutations, cooperation, hostile, journal, control, flows, loads)

// limit bounds one mutant's test: a mutation may make it wait for ever.
const limit = 2 * time.Minute

func main() {
	only := flag.String("only", "", "run the mutations whose invariant, file or test matches")
	seed := flag.Int("seed", 1, "the first world of each simulation")
	flag.Parse()
	if err := run(*only, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

func run(only string, seed int) error {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	var chosen []mutation
	for _, m := range every {
		if wanted.MatchString(m.invariant + "\n" + m.file + "\n" + m.run) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return errors.New("-only matches no mutation")
	}
	began := time.Now()
	t := tester{env: append(os.Environ(), "SIM_SEEDS=400", "GOGC=400", fmt.Sprintf("SIM_SEED=%d", seed))}
	if err := t.sound(chosen); err != nil {
		return err
	}
	survived := t.all(chosen)
	fmt.Printf("%d mutations, %d caught, %d not, in %v\n", len(chosen), len(chosen)-survived, survived, time.Since(began).Round(time.Second))
	if survived > 0 {
		return fmt.Errorf("%d mutations were not caught", survived)
	}
	return nil
}

// tester runs tests on the tree, or on a tree with one file replaced.
type tester struct{ env []string }

// sound checks that the tests pass without a mutation: one that fails anyway
// catches nothing.
func (t tester) sound(chosen []mutation) error {
	tests := map[string][]string{}
	for _, m := range chosen {
		if m.run != simulation { // the tests of the tree run it
			tests[m.pkg] = append(tests[m.pkg], m.run)
		}
	}
	for pkg, names := range tests {
		if out, err := t.test("", pkg, strings.Join(names, "|")); err != nil {
			return fmt.Errorf("the tests of %s fail without a mutation: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// all runs every mutation, as many at a time as there are processors, and prints
// what caught each. It returns how many were not caught.
func (t tester) all(chosen []mutation) (survived int) {
	var mu sync.Mutex
	var workers sync.WaitGroup
	next := make(chan mutation)
	for range runtime.NumCPU() {
		workers.Go(func() {
			for m := range next {
				caught, by := t.mutate(m)
				mu.Lock()
				verdict := "caught"
				if !caught {
					survived++
					verdict = "SURVIVED"
				}
				fmt.Printf("%-8s  %-68s  %-38s  %s\n", verdict, m.invariant, m.file, by)
				mu.Unlock()
			}
		})
	}
	for _, m := range chosen {
		next <- m
	}
	close(next)
	workers.Wait()
	return survived
}

var failure = regexp.MustCompile(`(?m)^--- FAIL: (Test\w+)`)

// mutate runs the test of one mutation, and says what caught it or what went wrong.
func (t tester) mutate(m mutation) (caught bool, by string) {
	overlay, remove, err := overlayOf(m)
	if err != nil {
		return false, err.Error()
	}
	defer remove()
	out, err := t.test(overlay, m.pkg, m.run)
	switch {
	case err == nil && strings.Contains(out, "no tests to run"):
		return false, "no test matches " + m.run
	case err == nil:
		return false, m.run + " passes all the same"
	case strings.Contains(out, "[build failed]"), strings.Contains(out, "[setup failed]"):
		return false, "does not build: " + out
	}
	named, err := regexp.Compile(m.run)
	if err != nil {
		return false, err.Error()
	}
	if found := failure.FindStringSubmatch(out); found != nil && named.MatchString(found[1]) {
		return true, found[1]
	}
	// Go reports no verdict of a test whose process died.
	for _, sign := range []string{"deadlock: ", "panic: "} {
		if _, after, ok := strings.Cut(out, sign); ok {
			what, _, _ := strings.Cut(after, "\n")
			return true, m.run + " (" + sign + what + ")"
		}
	}
	return false, "failed otherwise than by a test: " + out
}

// overlayOf writes the mutated file and the list that lets go test see it in the
// place of the original, which stays as it is.
func overlayOf(m mutation) (overlay string, remove func(), err error) {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return "", nil, fmt.Errorf("read the file to change: %w", err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		return "", nil, fmt.Errorf("%s holds the text to change %d times, not once: bring .ci/mutations up to date", m.file, n)
	}
	folder, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the mutated file: %w", err)
	}
	remove = func() { _ = os.RemoveAll(folder) }
	original, err := filepath.Abs(m.file)
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("find the file to change: %w", err)
	}
	changed := filepath.Join(folder, filepath.Base(m.file))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err == nil {
		err = os.WriteFile(changed, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600)
	}
	overlay = filepath.Join(folder, "overlay.json")
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("write the mutated file: %w", err)
	}
	return overlay, remove, nil
}

func (t tester) test(overlay, pkg, tests string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit+time.Minute)
	defer cancel()
	args := []string{"test", "-count=1", "-vet=off", "-failfast", "-timeout", limit.String(), "-run", "^(" + tests + ")"}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	command := exec.CommandContext(ctx, "go", append(args, pkg)...)
	command.Env = t.env
	out, err := command.CombinedOutput()
	return string(out), err
}
