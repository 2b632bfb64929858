package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"kinesis-destination/.ci/bench/event"
)

const columns = "%-34s %-20s %18s %10s %10s %9s %9s\n"

func (b *bench) printHead() {
	fmt.Printf("%d events a row of about 1 KB, %d attributes mapped, 80 %% exported; lz4, batches of 100, 12 partitions, 50,000 identities, 512 shards, 1 ms a call, unless said otherwise.\n",
		b.events, len(event.Attributes))
	fmt.Printf("%s run --memory %dMiB. ", product, b.memory)
	cores := fmt.Sprintf("%d cores", runtime.NumCPU())
	if b.core != "" {
		cores = fmt.Sprintf("the program on a core of its own (%s), all else on %d", b.core, runtime.NumCPU())
	}
	fmt.Printf("Medians of %d turns, after one that does not count. %s, %s, %s.\n\n", b.turns, processor(), cores, runtime.Version())
	fmt.Printf(columns, "", "", "CPU s per million", "start-up", "", "peak RSS", "records")
	fmt.Printf(columns, "row", "command", "events (min-max)", "CPU s", "events/s", "MiB", "a call")
}

// processor is the model that Linux tells.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func (b *bench) printRow(r row, line int, command string, events int, turns []result) {
	title := r.title
	if line > 0 {
		title = ""
	}
	perMillion := func(r result) float64 { return (r.cpu - r.startUp.cpu).Seconds() / float64(events) * 1e6 }
	least, most := perMillion(turns[0]), perMillion(turns[0])
	for _, t := range turns {
		least, most = min(least, perMillion(t)), max(most, perMillion(t))
	}
	calls := "-"
	if a := turns[0].account; a.Calls > 0 {
		calls = fmt.Sprintf("%.0f", median(turns, func(r result) float64 { return float64(r.account.Records) / float64(r.account.Calls) }))
	}
	fmt.Printf(columns, title, command, fmt.Sprintf("%.1f (%.1f-%.1f)", median(turns, perMillion), least, most),
		fmt.Sprintf("%.2f", turns[0].startUp.cpu.Seconds()),
		fmt.Sprintf("%.0f", median(turns, func(r result) float64 { return float64(events) / r.took.Seconds() })),
		fmt.Sprintf("%.0f", median(turns, func(r result) float64 { return float64(r.peak) / (1 << 20) })), calls)
}

// printStandstill prints what a program took, and what it had used when the standstill ended.
func (b *bench) printStandstill(r row, got result, cpu time.Duration, read int64) {
	fmt.Printf(columns, r.title, product, "-", "-", "-", fmt.Sprintf("%d", got.peak>>20), "-")
	fmt.Printf("%34s by then %.1f s of CPU, %d MiB read\n", "", cpu.Seconds(), read>>20)
}

func median(turns []result, of func(result) float64) float64 {
	values := make([]float64, len(turns))
	for i, t := range turns {
		values[i] = of(t)
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

const notes = `
CPU is the process's own, user and system, from its start to its exit, less what it uses in 5 s beside an empty topic (start-up).
events/s is by the time from the stream's first answer to its last; where nothing is exported, from the start to the last commit.
Kafka, stream and commands share the machine, so events/s says less than CPU. The fake stream checks no signature and keeps to no shard limits;
it counts every record, and looks into those of every fiftieth identity: whole documents, in the order of their identity.
`

const comparison = `kinesis-destination and baseline send the same documents, which the stream's digest of them shows. What baseline does not do:
  no order per identity through a partial failure of a call; what was fetched of a partition is sent after the partition has moved; no dead letters;
  no governance, no consent, no other triggers than a changed segment; no holds: an outage that outlasts the SDK's three attempts ends it; memory bounded by messages, not bytes.
floor sends all events as they are, also those that the others filter: no group, no Avro, no rules, no signature, no metrics, no retries.
`

func (b *bench) printNotes(chosen []row) {
	fmt.Print(notes)
	if slices.ContainsFunc(chosen, func(r row) bool { return len(r.commands) > 1 }) {
		fmt.Print(comparison)
	}
}
