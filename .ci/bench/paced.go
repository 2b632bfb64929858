package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-destination/.ci/bench/account"
)

const (
	// pacedTime is how long events come, and warmUp what of it does not count.
	pacedTime = 12 * time.Second
	warmUp    = 2 * time.Second
	joinLimit = time.Minute
)

// paced measures how long events take from their producer's call to the stream's answer.
func (b *bench) paced(ctx context.Context, r row) error {
	topic := fmt.Sprintf("%s-paced-%d", b.prefix, r.rate)
	if err := b.createTopic(ctx, topic, r.partitions); err != nil {
		return err
	}
	if err := b.setTask(ctx, account.Task{Shards: r.shards, Latency: r.latency, Timed: true}); err != nil {
		return err
	}
	p, err := b.start(ctx, r, product, topic, "http://"+b.address)
	if err != nil {
		return err
	}
	defer p.kill()
	if err := p.stay(ctx, idleTime, false); err != nil { // it joins its group
		return err
	}
	events := r.rate * int(pacedTime.Seconds())
	command := exec.CommandContext(ctx, b.program("produce"), "-brokers", strings.Join(b.brokers, ","), "-topic", topic,
		"-events", strconv.Itoa(events), "-identities", strconv.Itoa(r.identities), "-rate", strconv.Itoa(r.rate))
	command.Stderr = os.Stderr
	late, err := command.Output()
	if err != nil {
		return fmt.Errorf("write %d events a second: %w", r.rate, err)
	}
	err = until(ctx, joinLimit, "all events were at rest", func() (bool, error) {
		p.look()
		if p.gone() {
			return false, p.failure("ended early")
		}
		n, err := b.committed(ctx, p.group, topic, r.partitions)
		return n == int64(events), err
	})
	if err != nil {
		return err
	}
	got, err := p.end()
	if err != nil {
		return err
	}
	b.watch(r, product, got)
	if got.account, err = b.account(ctx); err != nil {
		return err
	}
	if err := check(r, product, events, got.account); err != nil {
		return err
	}
	b.printPaced(r, got, strings.TrimSpace(string(late)))
	return nil
}

// printPaced prints how long a sample of the events took.
func (b *bench) printPaced(r row, got result, late string) {
	waits := got.account.Waits
	first := slices.MinFunc(waits, func(x, y account.Wait) int { return int(x.Written - y.Written) }).Written
	var took []time.Duration
	for _, w := range waits {
		if w.Written >= first+warmUp.Microseconds() {
			took = append(took, w.Took)
		}
	}
	slices.Sort(took)
	at := func(share float64) float64 { return took[int(share*float64(len(took)-1))].Seconds() * 1000 }
	fmt.Printf("%-34s %-20s p50 %.1f ms, p90 %.1f ms, p99 %.1f ms of %d sampled, from the producer's call to the stream's answer; %.1f CPU s per million events; %d MiB; producer late by %s ms at most\n",
		r.title, product, at(.5), at(.9), at(.99), len(took), got.cpu.Seconds()/float64(r.rate)/pacedTime.Seconds()*1e6, got.peak>>20, late)
}
