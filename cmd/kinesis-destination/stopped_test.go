package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/sink/embeddedkinesis"
)

// TestACommandThatIsInterruptedSaysHowFarItCame: "context canceled" was all.
func TestACommandThatIsInterruptedSaysHowFarItCame(t *testing.T) {
	s := startServers(t)
	if got := command(t, "", "produce-sample", "-c", s.configFile, "--count", "200"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	called := make(chan struct{}, 1000)
	s.kinesis.SetScript(func(c embeddedkinesis.Call) embeddedkinesis.Action {
		if c.Operation != "PutRecords" {
			return embeddedkinesis.Action{}
		}
		called <- struct{}{}
		return embeddedkinesis.Action{Code: "AccessDeniedException"}
	})
	for args, want := range map[string]string{
		"replay --from earliest --to latest --id again": "stopped: 0 delivered, ",
		"produce-sample --count 100000 --rate 1":        "stopped: ",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var stdout, stderr testutil.Buffer
		done := make(chan int, 1)
		go func() {
			done <- execute(ctx, append(strings.Fields(args), "-c", s.configFile), strings.NewReader(""), &stdout, &stderr)
		}()
		if strings.HasPrefix(args, "replay") {
			<-called
		}
		cancel()
		select {
		case code := <-done:
			if code != exitFailed || strings.Contains(stderr.String(), "context canceled") || !strings.Contains(stderr.String(), want) {
				t.Errorf("%s: exit %d: %s", args, code, stderr.String())
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s does not end", args)
		}
		if strings.HasPrefix(args, "replay") && !strings.Contains(stderr.String(), "the same command with --id again goes on from here\n") {
			t.Errorf("%s", stderr.String())
		}
	}
	// What is interrupted before it began.
	for _, args := range []string{"lag", "verify", "dead-letters list", "dead-letters redrive", "explain --topic x --partition 0 --offset 0", "demo --events 200"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr testutil.Buffer
		fields := strings.Fields(args)
		if fields[0] != "demo" {
			fields = append(fields, "-c", s.configFile)
		}
		code := execute(ctx, fields, strings.NewReader(""), &stdout, &stderr)
		if said := stderr.String(); code != exitFailed || strings.Contains(said, "cancel") || !strings.Contains(said, "stopped: ") {
			t.Errorf("%s: exit %d: %s", args, code, said)
		}
	}
}

// TestASignalThatComesTwiceIsOne: timeout(1) signals a process and its group; the second
// ended it without a drain.
func TestASignalThatComesTwiceIsOne(t *testing.T) {
	ctx := untilSignal(t.Context())
	for range 2 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
	}
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Error(context.Cause(ctx))
	}
}
