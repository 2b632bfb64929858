package follow_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kinesis-destination/cmd/internal/control/follow"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/memory"
)

// A hundred flows are what one process is made for: how long they take to start, and
// what they take while nothing happens and while all of them export the same events. On
// embedded servers, which share the machine's memory with nobody's patience, fewer do.
func TestContractAHundredFlowsInOneProcess(t *testing.T) {
	flows := 20
	if os.Getenv("KAFKA_BROKERS") != "" {
		flows = follow.MostFlows
	}
	s := newSite(t, true)
	name := "leads" + s.topic[len("events-follow"):]
	s.createStream(name, 4)
	served, admin := s.serve()
	running := func(admin string) func() bool {
		return func() bool {
			f := s.overview(admin).Following
			if f == nil || len(f.Flows) < flows {
				return false
			}
			return !slices.ContainsFunc(f.Flows, func(one destination.Flow) bool { return one.State != destination.Running })
		}
	}
	from, account := s.account()
	began := time.Now()
	for range flows {
		s.flow(from, account, name, true)
	}
	t.Logf("%d flows were made within %v", flows, time.Since(began).Round(time.Millisecond))
	s.await(time.Minute, "all flows run", running(admin))
	t.Logf("and ran %v after the first one was begun to be made", time.Since(began).Round(time.Millisecond))
	s.end(served)

	began = time.Now()
	served, admin = s.serve()
	s.await(time.Minute, "all flows run again", running(admin))
	took := time.Since(began)
	t.Logf("a process ran all %d flows %v after it was started", flows, took.Round(time.Millisecond))
	if took > 30*time.Second {
		t.Errorf("starting took %v", took)
	}
	pass(10 * time.Second) // what the start left is over
	before, at := cpuOf(t, served), time.Now()
	pass(20 * time.Second)
	rest := 100 * (cpuOf(t, served) - before).Seconds() / time.Since(at).Seconds()
	t.Logf("at rest: %.1f %% of a core, %d MiB resident", rest, residentOf(t, served, "VmRSS")>>20)
	if rest > 25 {
		t.Errorf("at rest they take %.1f %% of a core", rest)
	}
	before, at = cpuOf(t, served), time.Now()
	s.feed(2000)
	want := s.written * flows
	delivered := func() (n int64) {
		for _, d := range s.overview(admin).Destinations {
			n += d.Account.Delivered
		}
		return n
	}
	s.await(2*time.Minute, fmt.Sprintf("%d records delivered", want), func() bool { return delivered() >= int64(want) })
	took = time.Since(at)
	most := residentOf(t, served, "VmHWM")
	t.Logf("2,000 events exported by all: %d records in %v, %v of CPU; at most %d MiB resident", want, took.Round(time.Millisecond), (cpuOf(t, served) - before).Round(time.Millisecond), most>>20)
	if limit := memory.DefaultOf(follow.MostFlows); most > limit {
		t.Errorf("it took %d MiB, and may take %d", most>>20, limit>>20)
	}
	s.end(served)
}

// cpuOf is the CPU that a process has used.
func cpuOf(t *testing.T, command *exec.Cmd) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command.Process.Pid))
	if err != nil {
		t.Skip("there is no /proc")
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // a tick is a hundredth of a second on Linux
}

// residentOf is the memory of a process that is resident: VmRSS now, VmHWM at most.
func residentOf(t *testing.T, command *exec.Cmd, what string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", command.Process.Pid))
	if err != nil {
		t.Skip("there is no /proc")
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, what+":"); found {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	t.Fatal("no", what)
	return 0
}
