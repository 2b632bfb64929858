package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"kinesis-destination/cmd/internal/testutil"

	"github.com/segmentio/kafka-go"
)

func (s *servers) lagRows(stdout string) (partition1 map[string]any) {
	s.t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal([]byte(stdout), &rows); err != nil || len(rows) != 2 {
		s.t.Fatalf("%v: %s", err, stdout)
	}
	for key := range strings.FieldsSeq("destination group topic partition committed end lag lagSeconds held") {
		if _, ok := rows[1][key]; !ok {
			s.t.Errorf("no %s in %s", key, stdout)
		}
	}
	return rows[1]
}

func TestLagIsToldWhetherTheGroupRunsOrNot(t *testing.T) {
	s := startServers(t)
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.produce(kafka.Message{Key: []byte("lead-4711"), Value: s.framed(event)})
	}
	told := func() map[string]any {
		t.Helper()
		out := command(t, "", "lag", "-c", s.configFile, "-o", "json")
		if out.code != 0 {
			t.Fatalf("%+v", out)
		}
		return s.lagRows(out.stdout)
	}
	if row := told(); row["committed"] != -1. || row["end"] != 3. || row["lag"] != 3. || row["lagSeconds"] == 0. || row["held"] != nil {
		t.Errorf("before the group has run: %v", row)
	}
	r := s.run()
	eventually(t, "caught up", func() bool { row := told(); return row["lag"] == 0. && row["lagSeconds"] == 0. && row["held"] == "" })
	if row := told(); row["member"] == nil || row["member"] == "" {
		t.Errorf("the group does not say who has it: %v", row)
	}
	table := command(t, "", "lag", "-c", s.configFile, "--interval", "50ms")
	if table.code != 0 || !strings.Contains(table.stdout, "destination leads, group leads, topic segment-evaluations\nPARTITION") || !strings.Contains(table.stdout, "0 held\n") {
		t.Errorf("%+v", table)
	}
	r.stop()
	if row := told(); row["committed"] != 3. || row["lag"] != 0. || row["held"] != nil || row["member"] != nil {
		t.Errorf("after the group has run: %v", row)
	}
}

func TestLagWatchGoesOnUntilItIsInterrupted(t *testing.T) {
	s := startServers(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr testutil.Buffer
	done := make(chan int, 1)
	go func() {
		done <- execute(ctx, []string{"lag", "-c", s.configFile, "--watch", "--interval", "20ms"}, strings.NewReader(""), &stdout, &stderr)
	}()
	eventually(t, "three tables", func() bool { return strings.Count(stdout.String(), "PARTITION") >= 3 })
	cancel()
	if code := <-done; code != 0 || strings.Contains(stdout.String(), "\x1b") {
		t.Errorf("exit %d, %q; plain lines are for what is no terminal", code, stderr.String())
	}
}

func TestLagRefusesWrongUse(t *testing.T) {
	s := startServers(t)
	for _, args := range [][]string{{"lag"}, {"lag", "-c", s.configFile, "-o", "text"}, {"lag", "-c", s.configFile, "--interval", "0s"}} {
		if out := command(t, "", args...); out.code != exitUsage || out.stderr == "" {
			t.Errorf("%v: %+v", args, out)
		}
	}
}
