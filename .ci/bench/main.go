// Command bench measures what the pipeline costs, on a real Kafka: the built
// kinesis-destination, a baseline of the usual parts and a floor on kafka-go read
// the same topic in turns and send to the same fake stream. It fails when a
// record is missing, too many, out of its order or not whole, and when the product
// takes more memory than it may.
//
//	KAFKA_BROKERS=host:port go run ./.ci/bench [-rows REGEXP] [-commands REGEXP] [-events N] [-turns N] [-memory MIB] [-profile N] [-keep FOLDER] [-before FILE] [-core N]
//
// It needs Linux: peak RSS is VmHWM of /proc. Its topics and processes are its
// own, and gone when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// limit bounds everything together.
const limit = 2 * time.Hour

func main() {
	rows := flag.String("rows", "", "measure the rows whose name matches")
	commands := flag.String("commands", "", "of them run the programs whose name matches")
	events := flag.Int("events", 300_000, "events of a row")
	turns := flag.Int("turns", 3, "turns that count, after one that does not")
	memory := flag.Int("memory", 160, "MiB that the product is told to take, and must not exceed")
	profile := flag.Int("profile", 0, "print so many lines of the product's profiles in each row")
	keep := flag.String("keep", "", "leave the product and its profiles in this folder")
	earlier := flag.String("before", "", "run this kinesis-destination in turns with the built one, as "+before)
	core := flag.String("core", "", "keep the measured program to this core, on which nothing else is to run: taskset")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := measure(ctx, *rows, *commands, *keep, *earlier, *core, *events, *turns, *profile, *memory); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, wanted, commands, keep, earlier, core string, events, turns, profile, memory int) (err error) {
	chosen, err := choose(wanted, commands, earlier != "")
	if err != nil {
		return err
	}
	if os.Getenv("KAFKA_BROKERS") == "" {
		return errors.New("KAFKA_BROKERS is not set: run make bench-pipeline, which starts a Kafka")
	}
	if events < 1000 || turns < 1 {
		return errors.New("-events must be at least 1000, and -turns 1")
	}
	folder, err := os.MkdirTemp("", "kinesis-destination-bench")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }() // a leftover among the temporary ones does no harm
	if keep != "" {
		if err := os.MkdirAll(keep, 0o755); err != nil {
			return fmt.Errorf("make the folder to keep: %w", err)
		}
	}
	if err := build(ctx, folder); err != nil {
		return err
	}
	b := &bench{
		folder: folder, keep: keep, before: earlier, core: core, events: events, turns: turns, profile: profile, memory: memory,
		brokers: strings.Split(os.Getenv("KAFKA_BROKERS"), ","), prefix: fmt.Sprintf("bench-%d", os.Getpid()),
	}
	b.connect()
	defer func() { err = errors.Join(err, b.dropTopics(context.WithoutCancel(ctx))) }()
	if err := b.startStream(ctx); err != nil {
		return err
	}
	defer b.stopStream()
	return b.run(ctx, chosen)
}

// build makes the programs as a release makes the product.
func build(ctx context.Context, folder string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", folder+string(filepath.Separator),
		"./cmd/kinesis-destination", "./.ci/bench/baseline", "./.ci/bench/floor", "./.ci/bench/produce", "./.ci/bench/stream")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	return nil
}

func choose(wanted, commands string, compare bool) ([]row, error) {
	expression, err := regexp.Compile("^(" + wanted + ")$")
	if err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	programs, err := regexp.Compile("^(" + commands + ")$")
	if err != nil {
		return nil, fmt.Errorf("-commands: %w", err)
	}
	var chosen []row
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
		if wanted != "" && !expression.MatchString(r.name) {
			continue
		}
		r = r.whole()
		if compare {
			r.commands = append([]string{before}, r.commands...)
		}
		if commands != "" {
			r.commands = slices.DeleteFunc(slices.Clone(r.commands), func(name string) bool { return !programs.MatchString(name) })
		}
		if len(r.commands) > 0 {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-rows and -commands match none of %s, with their programs", strings.Join(names, ", "))
	}
	return chosen, nil
}
