package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/.ci/bench/account"
	"kinesis-destination/.ci/bench/event"
)

type bench struct {
	folder  string // of programs and configurations
	keep    string // where the product and its profiles are left; empty: nowhere
	before  string // the product as it was, or empty
	core    string // that only the measured program is on, or empty
	events  int
	turns   int
	profile int
	memory  int   // MiB, that the product may take
	beyond  error // it took more
	brokers []string
	prefix  string // of topics and groups

	kafka   *kafka.Client
	topics  []string
	runs    int // so far; names groups
	stream  *exec.Cmd
	address string // of the stream and the registry
}

func (b *bench) program(name string) string {
	if name == before {
		return b.before
	}
	return filepath.Join(b.folder, name)
}

func (b *bench) run(ctx context.Context, chosen []row) error {
	b.printHead()
	for i, r := range chosen {
		if err := b.row(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		topic := r.topic(b.prefix)
		if !slices.ContainsFunc(chosen[i+1:], func(later row) bool { return later.topic(b.prefix) == topic }) {
			if err := b.dropTopics(ctx); err != nil {
				return err
			}
		}
	}
	b.printNotes(chosen)
	return b.beyond
}

func (b *bench) row(ctx context.Context, r row) error {
	topic, events := r.topic(b.prefix), b.events/r.share
	if r.rate > 0 {
		return b.paced(ctx, r)
	}
	if !slices.Contains(b.topics, topic) {
		if err := b.fill(ctx, r, topic, events); err != nil {
			return err
		}
	}
	if r.waits != "" {
		return b.standstill(ctx, r, topic)
	}
	startUps, err := b.startUps(ctx, r, topic)
	if err != nil {
		return err
	}
	results := map[string][]result{}
	for turn := range b.turns + 1 {
		for i := range r.commands {
			command := r.commands[(i+turn)%len(r.commands)]
			got, err := b.race(ctx, r, command, topic, events)
			if err != nil {
				return fmt.Errorf("%s: %w", command, err)
			}
			got.startUp = startUps[command]
			fmt.Fprintf(os.Stderr, "%s, turn %d of %d: %s, %.1f s CPU, %.1f s, %d MiB\n", r.name, turn, b.turns, command,
				got.cpu.Seconds(), got.took.Seconds(), got.peak>>20)
			if turn > 0 { // the first one warms up caches
				results[command] = append(results[command], got)
			}
		}
	}
	if err := sameContent(results); err != nil {
		return err
	}
	for i, command := range r.commands {
		b.printRow(r, i, command, events, results[command])
	}
	if b.profile > 0 && len(results[product]) > 0 {
		return b.profiles(ctx, r, topic, events, median(results[product], func(r result) float64 { return r.took.Seconds() }))
	}
	return nil
}

// sameContent checks that the programs that make documents make the same.
func sameContent(results map[string][]result) error {
	for _, one := range results[baseline] {
		for _, other := range results[product] {
			if one.account.Digest != other.account.Digest {
				return fmt.Errorf("%s and %s do not send the same documents", baseline, product)
			}
		}
	}
	return nil
}

// startUps is what each command's process uses beside an empty topic of as many
// partitions.
func (b *bench) startUps(ctx context.Context, r row, topic string) (map[string]idleUse, error) {
	empty := topic + "-empty"
	if !slices.Contains(b.topics, empty) {
		if err := b.createTopic(ctx, empty, r.partitions); err != nil {
			return nil, err
		}
	}
	all := map[string]idleUse{}
	for _, command := range r.commands {
		got, err := b.idle(ctx, r, command, empty)
		if err != nil {
			return nil, fmt.Errorf("%s beside an empty topic: %w", command, err)
		}
		all[command] = got
	}
	return all, nil
}

func (b *bench) fill(ctx context.Context, r row, topic string, events int) error {
	if err := b.createTopic(ctx, topic, r.partitions); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, b.program("produce"), "-brokers", strings.Join(b.brokers, ","), "-topic", topic,
		"-events", strconv.Itoa(events), "-identities", strconv.Itoa(r.identities),
		"-partitions", strconv.Itoa(r.partitions), "-batch", strconv.Itoa(r.batch))
	command.Stderr = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("fill %s: %w", topic, err)
	}
	return nil
}

// check compares what arrived at the stream with what should have.
func check(r row, command string, events int, got account.Account) error {
	want := event.Exported(events)
	switch {
	case command == floor:
		want = events
	case r.nobody:
		want = 0
	}
	switch {
	case got.Problem != "":
		return fmt.Errorf("the stream got something wrong: %s", got.Problem)
	case got.Records != want:
		return fmt.Errorf("the stream got %d records of %d", got.Records, want)
	case want > 0 && got.Checked == 0:
		return fmt.Errorf("the stream looked into no record of %d", want)
	}
	return nil
}
