package memory

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/config"
)

// alive is what may be live at once, by construction: every budget full.
func alive(s Shares, destinations int) int64 {
	n := int64(destinations)
	return fixed + (n-1)*another + s.Fetched + s.Queued + s.Calls + n*(2*s.Schemas+int64(s.Newest)*identityBytes)
}

func TestWhatTheBudgetsAllowIsLessThanTheProcessMayTake(t *testing.T) {
	for _, process := range []int64{62 * mib, 96 * mib, Default, 256 * mib, 1 << 30, 64 << 30} {
		for _, destinations := range []int{1, 2, 10, 100} {
			s, err := Divide(process, math.MaxInt64, destinations)
			if err != nil {
				if process >= Needed(destinations) {
					t.Errorf("%s for %d: %v", Text(process), destinations, err)
				}
				continue
			}
			if s.Collector > process-outside {
				t.Errorf("%s: Go may take %s", Text(process), Text(s.Collector))
			}
			// A quarter of the load is the collector's, so that it need not run all the time.
			if live := alive(s, destinations); live > s.Collector-(s.Collector-fixed-int64(destinations-1)*another)/4 {
				t.Errorf("%s for %d: %s may be alive of Go's %s", Text(process), destinations, Text(live), Text(s.Collector))
			}
			// Beyond them, alone: a batch as large as what is fetched, beside a record of it.
			if most := alive(s, destinations) + s.Fetched*15/16 + s.LargestRecord(); most > s.Collector {
				t.Errorf("%s for %d: with the largest batch %s may be alive of Go's %s", Text(process), destinations, Text(most), Text(s.Collector))
			}
			// The largest record: as fetched and as decoded.
			if s.LargestRecord() < mib || 2*s.LargestRecord() > s.Fetched {
				t.Errorf("%s for %d: the largest record has %d bytes, of %d", Text(process), destinations, s.LargestRecord(), s.Fetched)
			}
		}
	}
}

func TestLessThanIsNeededIsAMistakeWithTheFigure(t *testing.T) {
	for _, c := range []struct {
		process      int64
		destinations int
		want         string
	}{
		{63 * mib, 1, "63MiB of memory is too little: 64MiB are needed"},
		{96 * mib, 30, "96MiB of memory is too little: 122MiB are needed"},
	} {
		_, err := Divide(c.process, math.MaxInt64, c.destinations)
		if _, little := errors.AsType[TooLittle](err); !little || err.Error() != c.want {
			t.Errorf("%s for %d: %v, want %s", Text(c.process), c.destinations, err, c.want)
		}
		if _, err := Divide(Needed(c.destinations), math.MaxInt64, c.destinations); err != nil {
			t.Errorf("what is needed: %v", err)
		}
	}
}

func TestALimitThatGoWasGivenIsKept(t *testing.T) {
	s, err := Divide(Default, 80*mib, 1)
	if err != nil || s.Collector != 80*mib || s.Process != 80*mib+outside {
		t.Errorf("%+v: %v", s, err)
	}
	if s, err = Divide(Default, 1<<30, 1); err != nil || s.Process != Default {
		t.Errorf("one that is larger: %+v: %v", s, err)
	}
	if _, err = Divide(Default, 20*mib, 1); err == nil {
		t.Error("one that is too small is taken")
	}
}

func TestTheUsualMemoryIsWhatTheContainerLeaves(t *testing.T) {
	for container, want := range map[int64]int64{math.MaxInt64: Default, 1 << 30: Default, 200 * mib: 150 * mib, 128 * mib: 96 * mib} {
		if got := (Limits{Container: container}).Usual(); got/mib != want/mib {
			t.Errorf("of %d: %s, want %s", container, Text(got), Text(want))
		}
	}
}

func TestSizesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]int64{
		"160MiB": 160 * mib, "96Mi": 96 * mib, "1GiB": 1 << 30, "2Gi": 2 << 30, "200MB": 200_000_000, "1 GB": 1_000_000_000,
		"65536KiB": 64 * mib, "104857600B": 100 * mib,
		"": 0, "160": 0, "-1MiB": 0, "0MiB": 0, "MiB": 0, "1.5GiB": 0, "9999999999GiB": 0, "160mib": 0,
	} {
		got, err := ParseSize(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "160MiB") {
			t.Errorf("%q: %v shows no example", text, err)
		}
	}
}

func TestAllDestinationsOfAProcessHaveTheSameBudgets(t *testing.T) {
	folder := t.TempDir()
	var configs []config.Config
	for _, name := range []string{"a", "b"} {
		file := filepath.Join(folder, name+".yaml")
		text := "name: " + name + "\nsource:\n  kafka: {brokers: [\"k:9092\"], topic: events}\n  schemaRegistry: {url: \"http://r\"}\ntarget: {kinesis: {region: eu-west-1, stream: s}}\nactivation: {segments: [{id: x}]}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, c)
	}
	shares, err := Divide(Default, math.MaxInt64, len(configs))
	if err != nil {
		t.Fatal(err)
	}
	shares.Apply(configs)
	a, b := configs[0], configs[1]
	if a.Source.Kafka.Budget == nil || a.Source.Kafka.Budget != b.Source.Kafka.Budget || a.Target.Kinesis.Memory == nil || a.Target.Kinesis.Memory != b.Target.Kinesis.Memory {
		t.Error("they have budgets of their own")
	}
	if letters := a.DeadLetterSource(); letters.Budget != a.Source.Kafka.Budget {
		t.Error("what reads the dead letters has a budget of its own")
	}
	// A reload reads the file again, which says nothing of memory.
	again, err := config.Load(a.File())
	if err != nil {
		t.Fatal(err)
	}
	if needs := config.NeedRestart(&a, &again); len(needs) > 0 {
		t.Errorf("the same file needs a restart: %v", needs)
	}
}
