package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kinesis-destination/.ci/bench/account"
	"kinesis-destination/.ci/bench/event"
)

// result is what one run of a program used.
type result struct {
	cpu     time.Duration // user and system, by wait4
	peak    int64         // bytes; VmHWM
	took    time.Duration // from the stream's first answer to its last; without any, from the start to the last commit
	account account.Account
	startUp idleUse
}

const (
	raceLimit = 10 * time.Minute // of one run
	idleTime  = 5 * time.Second  // beside an empty topic
	endLimit  = 20 * time.Second // from SIGTERM to the exit; the product promises 15
)

// race runs a program until all events of the topic are at rest.
func (b *bench) race(ctx context.Context, r row, command, topic string, events int) (result, error) {
	task := account.Task{Shards: r.shards, Latency: r.latency, Raw: command == floor}
	if err := b.setTask(ctx, task); err != nil {
		return result{}, err
	}
	p, err := b.start(ctx, r, command, topic, "http://"+b.address)
	if err != nil {
		return result{}, err
	}
	defer p.kill()
	err = until(ctx, raceLimit, "all events were at rest", func() (bool, error) {
		p.look()
		if command == floor {
			return p.gone(), nil
		}
		if p.gone() {
			return false, p.failure("ended early")
		}
		for _, group := range append([]string{p.group}, p.further...) {
			if n, err := b.committed(ctx, group, topic, r.partitions); err != nil || n != int64(events) {
				return false, err
			}
		}
		return true, nil
	})
	if err != nil {
		return result{}, err
	}
	took := time.Since(p.began)
	got, err := p.end()
	if err != nil {
		return result{}, err
	}
	b.watch(r, command, got)
	if got.account, err = b.account(ctx); err != nil {
		return result{}, err
	}
	if got.took = got.account.Last.Sub(got.account.First); got.took == 0 {
		got.took = took
	}
	return got, check(r, command, events, got.account)
}

// idleUse is what a process uses without an event.
type idleUse struct {
	cpu  time.Duration
	peak int64
}

func (b *bench) idle(ctx context.Context, r row, command, topic string) (idleUse, error) {
	if err := b.setTask(ctx, account.Task{Shards: r.shards, Latency: r.latency}); err != nil {
		return idleUse{}, err
	}
	p, err := b.start(ctx, r, command, topic, "http://"+b.address)
	if err != nil {
		return idleUse{}, err
	}
	defer p.kill()
	if err := p.stay(ctx, idleTime, command == floor); err != nil {
		return idleUse{}, err
	}
	got, err := p.end()
	return idleUse{got.cpu, got.peak}, err
}

// standstill runs the product while what it needs does not answer.
func (b *bench) standstill(ctx context.Context, r row, topic string) error {
	if err := b.setTask(ctx, account.Task{Shards: r.shards, Latency: r.latency, Stalled: r.waits == forStream}); err != nil {
		return err
	}
	registry := "http://" + b.address
	if r.waits == forRegistry {
		registry = "http://127.0.0.1:1" // nothing listens there
	}
	p, err := b.start(ctx, r, product, topic, registry)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := p.stay(ctx, stillstand, false); err != nil {
		return err
	}
	cpu, read, err := p.soFar()
	if err != nil {
		return err
	}
	if err := b.setTask(ctx, account.Task{Shards: r.shards, Latency: r.latency}); err != nil {
		return err
	}
	got, err := p.end()
	if err != nil {
		return err
	}
	b.watch(r, product, got)
	b.printStandstill(r, got, cpu, read)
	return nil
}

// watch notes where the product took more memory than it was told.
func (b *bench) watch(r row, command string, got result) {
	if command == product && got.peak > int64(b.limit(r))<<20 {
		b.beyond = errors.Join(b.beyond, fmt.Errorf("%s: %d MiB resident, of %d", r.title, got.peak>>20, b.limit(r)))
	}
}

// process is a program that runs.
type process struct {
	*exec.Cmd
	group   string
	further []string // groups of further destinations
	listen  string   // where its metrics are
	pprof   string   // where the product's profiles are
	began   time.Time
	peak    int64
	said    bytes.Buffer
	exited  chan struct{}
}

func (b *bench) start(ctx context.Context, r row, command, topic, registry string) (*process, error) {
	b.runs++
	p := &process{group: fmt.Sprintf("%s-run-%d", b.prefix, b.runs), exited: make(chan struct{})}
	var err error
	if p.listen, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	if p.pprof, err = freeAddress(ctx); err != nil {
		return nil, err
	}
	endpoint, brokers := "http://"+b.address, strings.Join(b.brokers, ",")
	switch command {
	case floor:
		p.Cmd = exec.Command(b.program(floor), "-brokers", brokers, "-topic", topic, "-endpoint", endpoint, "-stream", streamName)
	case baseline:
		p.Cmd = exec.Command(b.program(baseline), "-brokers", brokers, "-topic", topic, "-group", p.group, "-registry", registry,
			"-endpoint", endpoint, "-stream", streamName, "-listen", p.listen)
	default:
		file := filepath.Join(b.folder, p.group+".yaml")
		if err := os.WriteFile(file, []byte(b.config(r, p.group, p.listen, topic, registry)), 0o600); err != nil {
			return nil, fmt.Errorf("write the configuration: %w", err)
		}
		p.Cmd = exec.Command(b.program(command), "run", "-c", file)
		if command == product || r.memory > 0 { // one of before may not know it
			p.Args = append(p.Args, "--memory", fmt.Sprintf("%dMiB", b.limit(r)))
		}
		if err := b.more(r, p, topic, registry); err != nil {
			return nil, err
		}
		if b.profile > 0 {
			p.Args = append(p.Args, "--pprof", p.pprof)
		}
	}
	if b.core != "" {
		p.Cmd = exec.Command("taskset", slices.Concat([]string{"--cpu-list", b.core}, p.Args)...) // which becomes the program
	}
	p.Stdout, p.Stderr = &p.said, &p.said
	p.began = time.Now()
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command, err)
	}
	go func() {
		_ = p.Wait() // end and failure look at what it was
		close(p.exited)
	}()
	return p, nil
}

// more has the process run further destinations of the topic, which export nothing.
func (b *bench) more(r row, p *process, topic, registry string) error {
	r.nobody = true
	for i := range r.further {
		group := fmt.Sprintf("%s-%d", p.group, i+1)
		file := filepath.Join(b.folder, group+".yaml")
		if err := os.WriteFile(file, []byte(b.config(r, group, p.listen, topic, registry)), 0o600); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
		p.Args = append(p.Args, "-c", file)
		p.further = append(p.further, group)
	}
	return nil
}

const streamName = "bench"

func (b *bench) config(r row, group, listen, topic, registry string) string {
	segments := []string{event.Mapped, event.AlsoMapped}
	if r.nobody {
		segments = []string{event.Nobodys}
	}
	for i := range r.mapped {
		segments = append(segments, fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
	}
	protocol := "" // the default, which one of before may not know by its name
	if r.protocol != "json" {
		protocol = "\n    protocol: " + r.protocol
	}
	return fmt.Sprintf(`name: %s
source:
  kafka: {brokers: ["%s"], topic: %s}
  schemaRegistry: {url: "%s"}
target:
  kinesis:
    region: us-east-1
    stream: %s
    endpoint: http://%s
    credentials: {accessKeyId: bench, secretAccessKey: bench}
    aggregation: %s%s
activation:
  segments: [{id: %s}]
  attributes: [%s]
server: {listen: "%s"}
`, group, strings.Join(b.brokers, `", "`), topic, registry, streamName, b.address, r.aggregation, protocol,
		strings.Join(segments, "}, {id: "), strings.Join(event.Attributes, ", "), listen)
}

// look notes the peak of resident memory. It counts from the exec on, which
// the maximum that wait4 tells does not.
func (p *process) look() {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmHWM:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				p.peak = max(p.peak, kib<<10)
			}
		}
	}
}

// soFar is what a process that runs has used: CPU, and the bytes that it has read.
func (p *process) soFar() (cpu time.Duration, read int64, err error) {
	const tick = time.Second / 100 // of the numbers in stat, on every Linux
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	var state string
	var skipped, user, system int64
	if _, err := fmt.Sscan(after, &state, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &skipped, &user, &system); err != nil {
		return 0, 0, fmt.Errorf("read stat: %w", err)
	}
	_, err = fmt.Sscanf(string(io), "rchar: %d", &read)
	return time.Duration(user+system) * tick, read, err
}

func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *process) failure(what string) error {
	said := p.said.String()
	return fmt.Errorf("%s (%v): %s", what, p.ProcessState, said[max(0, len(said)-2000):])
}

// stay lets the process run for a time; one that may end does so before.
func (p *process) stay(ctx context.Context, d time.Duration, mayEnd bool) error {
	begin := time.Now()
	return until(ctx, d+time.Minute, "the time was over", func() (bool, error) {
		p.look()
		if p.gone() {
			if !mayEnd {
				return false, p.failure("ended early")
			}
			return true, nil
		}
		return time.Since(begin) >= d, nil
	})
}

// end asks the process to end, and tells what it used.
func (p *process) end() (result, error) {
	p.look()
	if !p.gone() {
		if err := p.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return result{}, fmt.Errorf("end the process: %w", err)
		}
	}
	select {
	case <-p.exited:
	case <-time.After(endLimit):
		p.kill()
		return result{}, p.failure("did not end after SIGTERM")
	}
	if !p.ProcessState.Success() {
		return result{}, p.failure("failed")
	}
	if p.peak == 0 {
		return result{}, errors.New("peak RSS is not known: the benchmark needs Linux's /proc")
	}
	return result{cpu: p.ProcessState.UserTime() + p.ProcessState.SystemTime(), peak: p.peak}, nil
}

// kill ends what end has not.
func (p *process) kill() {
	if !p.gone() {
		_ = p.Process.Kill() // it may have ended meanwhile
		<-p.exited
	}
}

// limit is what the product may take in a row, in MiB.
func (b *bench) limit(r row) int { return max(b.memory, r.memory) }
