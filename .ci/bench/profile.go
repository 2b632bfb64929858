package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"kinesis-destination/.ci/bench/account"
)

// profiled is the part of a run that the CPU profile covers: the rest of it is
// start-up, the look at the heap, and room for a run that is faster.
const profiled = 0.6

// profiles runs the product once more and prints its profiles.
func (b *bench) profiles(ctx context.Context, r row, topic string, events int, seconds float64) error {
	task := account.Task{Shards: r.shards, Latency: r.latency}
	if err := b.setTask(ctx, task); err != nil {
		return err
	}
	p, err := b.start(ctx, r, product, topic, "http://"+b.address)
	if err != nil {
		return err
	}
	defer p.kill()
	err = until(ctx, raceLimit, "events arrived", func() (bool, error) {
		if p.gone() {
			return false, p.failure("ended early")
		}
		n, err := b.committed(ctx, p.group, topic, r.partitions)
		got, failed := b.account(ctx)
		if err == nil {
			err = failed
		}
		return got.Records > 0 || n > 0, err
	})
	if err != nil {
		return err
	}
	base := "http://" + p.pprof + "/debug/pprof/"
	if err := b.fetch(ctx, r.name, base+"profile?seconds="+strconv.Itoa(max(1, int(seconds*profiled))), "cpu"); err != nil {
		return err
	}
	// Collected first: what is reachable, not what is not collected yet.
	if err := b.fetch(ctx, r.name, base+"heap?gc=1", "heap"); err != nil {
		return err
	}
	if n, err := b.committed(ctx, p.group, topic, r.partitions); err != nil || n == int64(events) {
		fmt.Printf("(the profiled run was over before the heap was looked at: take more events)\n")
	}
	if _, err := p.end(); err != nil {
		return err
	}
	for _, view := range []struct {
		title, file string
		options     []string
	}{
		{"CPU, flat", "cpu", nil},
		{"CPU, cumulative", "cpu", []string{"-cum"}},
		{"allocated bytes, since the start", "heap", []string{"-sample_index=alloc_space"}},
		{"live heap, in the middle of the run", "heap", []string{"-sample_index=inuse_space"}},
		{"live heap, cumulative", "heap", []string{"-sample_index=inuse_space", "-cum"}},
	} {
		if err := b.top(ctx, r.title+": "+view.title, view.file, view.options); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) fetch(ctx context.Context, row, url, file string) error {
	profile, err := call(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("take the %s profile: %w", file, err)
	}
	if b.keep != "" {
		if err := os.WriteFile(filepath.Join(b.keep, row+"."+file), profile, 0o600); err != nil {
			return err
		}
		if err := copyFile(b.program(product), filepath.Join(b.keep, product)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(b.folder, file), profile, 0o600)
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o755)
}

func (b *bench) top(ctx context.Context, title, file string, options []string) error {
	fmt.Printf("\n%s\n", title)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	arguments := append([]string{"tool", "pprof", "-top", "-nodecount=" + strconv.Itoa(b.profile)}, options...)
	command := exec.CommandContext(ctx, "go", append(arguments, b.program(product), filepath.Join(b.folder, file))...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("go tool pprof: %w", err)
	}
	return nil
}
