package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/schemas"
	"kinesis-destination/sink/embeddedkinesis"
)

// letters has run dead-letter what cannot be decoded: events written with a
// schema that the registry does not have yet, and malformed ones.
func (s *servers) letters(early, malformed int) (register func()) {
	s.t.Helper()
	return s.lettersBeside(0, early, malformed)
}

// lettersBeside is letters where further messages that cannot be delivered wait already.
func (s *servers) lettersBeside(waiting, early, malformed int) (register func()) {
	s.t.Helper()
	body := s.exampleBody()
	for range early {
		s.produce(kafka.Message{
			Key: []byte("lead-4711"), Value: append(schemas.AppendFrame(nil, s.schemaID+1), body...),
			Headers: []kafka.Header{{Key: "traceparent", Value: []byte("00-abc")}},
		})
	}
	for range malformed {
		s.produce(kafka.Message{Key: []byte("lead-4711"), Value: []byte("no Avro")})
	}
	r := s.run()
	eventually(s.t, "the letters are written", func() bool { return s.openLetters().Open == waiting+early+malformed })
	r.stop()
	return func() {
		text := strings.Replace(string(schemas.SegmentEvaluation), `"doc": "`, `"doc": "Newer. `, 1)
		if id := s.registry.Register(demoTopic+"-value", text); id != s.schemaID+1 {
			s.t.Fatalf("the newer schema has id %d", id)
		}
	}
}

func (s *servers) exampleBody() []byte {
	s.t.Helper()
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		s.t.Fatal(err)
	}
	body, err := s.schema.EncodeJSON(event)
	if err != nil {
		s.t.Fatal(err)
	}
	return body
}

type listed struct {
	Open    int
	Causes  []struct{ Stage, Reason string }
	Letters []struct {
		Partition, Redrives int
		Offset              int64
		Reason              string
		Origin              struct {
			Topic  string
			Offset int64
		}
	}
}

func (s *servers) openLetters(args ...string) listed {
	s.t.Helper()
	out := command(s.t, "", append([]string{"dead-letters", "list", "-c", s.configFile, "-o", "json"}, args...)...)
	var l listed
	if err := json.Unmarshal([]byte(out.stdout), &l); err != nil || out.code != 0 {
		s.t.Fatalf("%v: %+v", err, out)
	}
	return l
}

type redriveAccount struct {
	Selected, Delivered, Superseded, CaughtUp int
	Filtered, DeadLettered, Left              map[string]int
}

func (s *servers) redrive(args ...string) redriveAccount {
	s.t.Helper()
	out := command(s.t, "", append([]string{"dead-letters", "redrive", "-c", s.configFile, "-o", "json"}, args...)...)
	var a redriveAccount
	if err := json.Unmarshal([]byte(out.stdout), &a); err != nil || out.code != 0 {
		s.t.Fatalf("%v: %+v", err, out)
	}
	return a
}

func TestDeadLettersAreRedrivenOnceAndFailAgainAsWhatTheyWere(t *testing.T) {
	s := startServers(t)
	if out := command(t, "", "dead-letters", "list", "-c", s.configFile); out.code != 0 || !strings.HasPrefix(out.stdout, "0 open dead letters on ") {
		t.Errorf("before there is a topic: %+v", out)
	}
	register := s.letters(3, 2)
	if l := s.openLetters("--reason", "malformed", "--stage", "decode"); l.Open != 2 || len(l.Causes) != 1 || l.Causes[0].Reason != "malformed" {
		t.Errorf("malformed ones: %+v", l)
	}
	if l := s.openLetters("--until", "2020-01-01T00:00:00Z"); l.Open != 0 {
		t.Errorf("of another time: %+v", l)
	}
	register()
	if l := s.openLetters("--identity", "lead-4711"); l.Open != 5 {
		t.Errorf("of the identity: %+v", l)
	}
	if l := s.openLetters("--identity", "lead-1"); l.Open != 0 {
		t.Errorf("of another identity: %+v", l)
	}
	planned := s.redrive("--dry-run")
	if len(s.kinesis.History(demoStream)) != 0 || s.openLetters().Open != 5 {
		t.Error("a dry run has changed something")
	}
	done := s.redrive()
	for _, a := range []redriveAccount{planned, done} {
		if a.Selected != 5 || a.Delivered != 3 || !maps.Equal(a.DeadLettered, map[string]int{"malformed": 2}) || a.Superseded+a.CaughtUp+len(a.Left)+len(a.Filtered) != 0 {
			t.Errorf("%+v", a)
		}
	}
	if records := s.kinesis.History(demoStream); len(records) != 3 || string(records[2].Data) != compacted(t) {
		t.Errorf("%d records", len(records))
	}
	l := s.openLetters()
	if l.Open != 2 || l.Letters[0].Redrives != 1 || l.Letters[0].Origin.Topic != demoTopic || l.Letters[0].Origin.Offset != 3 || l.Letters[1].Origin.Offset != 4 {
		t.Errorf("what failed again: %+v", l)
	}
	if a := s.redrive("--max-redrives", "1"); a.Selected != 2 || a.Left["redrive-limit"] != 2 {
		t.Errorf("at the limit: %+v", a)
	}
	if len(s.kinesis.History(demoStream)) != 3 {
		t.Error("a letter was redriven twice")
	}
	out := command(t, "", "dead-letters", "drop", "-c", s.configFile, "--all")
	if out.code != 0 || strings.Join(strings.Fields(out.stdout), " ") != "dropped 2 erased from Kafka 7" {
		t.Errorf("%+v", out)
	}
	if l := s.openLetters(); l.Open != 0 {
		t.Errorf("after the drop: %+v", l)
	}
}

func TestALetterIsNotSentAfterANewerEventOfItsIdentity(t *testing.T) {
	s := startServers(t)
	register := s.letters(2, 0)
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	s.produce(kafka.Message{Key: []byte("lead-4711"), Value: s.framed(event)})
	register()
	if a := s.redrive(); a.Selected != 2 || a.Superseded != 2 || a.Delivered != 0 {
		t.Errorf("%+v", a)
	}
	if l := s.openLetters(); l.Open != 0 {
		t.Errorf("%+v", l)
	}
}

func TestALetterWhoseLaterEventsAreGoneIsLeft(t *testing.T) {
	s := startServers(t)
	register := s.letters(2, 0)
	register()
	event, err := os.ReadFile(exampleEvent)
	if err != nil {
		t.Fatal(err)
	}
	s.produce(kafka.Message{Key: []byte("lead-4711"), Value: s.framed(event)}, kafka.Message{Key: []byte("x")})
	s.truncate(demoTopic, 1, 3)
	if a := s.redrive(); a.Left["history-gone"] != 2 || a.Delivered != 0 {
		t.Errorf("%+v", a)
	}
	if a := s.redrive("--past-retention"); a.Delivered != 2 {
		t.Errorf("%+v", a)
	}
}

func TestDropSettlesWhatItCannotEraseYet(t *testing.T) {
	s := startServers(t)
	s.letters(1, 2)
	drop := func(args ...string) string {
		t.Helper()
		out := command(t, "", append([]string{"dead-letters", "drop", "-c", s.configFile}, args...)...)
		if out.code != 0 {
			t.Fatalf("%+v", out)
		}
		return strings.Join(strings.Fields(out.stdout), " ")
	}
	if told := drop("--reason", "malformed"); told != "dropped 2 erased from Kafka 0" {
		t.Errorf("behind an open letter: %s", told)
	}
	if l := s.openLetters(); l.Open != 1 || l.Letters[0].Reason != "unknown-schema" {
		t.Errorf("%+v", l)
	}
	if told := drop("--partition", "1", "--offset", "0"); told != "dropped 1 erased from Kafka 3" {
		t.Errorf("the first one: %s", told)
	}
}

func TestShowMasksWhatIsPersonal(t *testing.T) {
	s := startServers(t)
	s.letters(1, 0)()
	show := func(args ...string) string {
		t.Helper()
		out := command(t, "", append([]string{"dead-letters", "show", "-c", s.configFile, "--partition", "1", "--offset", "0"}, args...)...)
		if out.code != 0 {
			t.Fatalf("%+v", out)
		}
		return out.stdout
	}
	personal := []string{"yourstruly@adobe.con", "lead-4711", "00-abc"}
	for _, output := range []string{"text", "json"} {
		hidden, shown := show("-o", output), show("-o", output, "--reveal")
		for _, word := range personal {
			if strings.Contains(hidden, word) || !strings.Contains(shown, word) {
				t.Errorf("%s: %s: masked %v, revealed %v", output, word, !strings.Contains(hidden, word), strings.Contains(shown, word))
			}
		}
		for _, word := range []string{"unknown-schema", "7841ba61-23c1-4bb3-a495-00d3g5fe1e93", "traceparent", "***"} {
			if !strings.Contains(hidden, word) {
				t.Errorf("%s lacks %s:\n%s", output, word, hidden)
			}
		}
	}
	if out := command(t, "", "dead-letters", "show", "-c", s.configFile, "--partition", "1", "--offset", "9"); out.code != exitFailed {
		t.Errorf("no such letter: %+v", out)
	}
}

func TestDeadLettersRefuseWrongUse(t *testing.T) {
	s := startServers(t)
	for _, args := range []string{
		"list", "list -c FILE -o yaml", "list -c FILE --since tomorrow", "show -c FILE", "show -c FILE --partition 1",
		"drop -c FILE", "drop -c FILE --all --reason malformed", "redrive -c FILE --max-redrives 0", "redrive -c FILE --id a/b",
	} {
		fields := strings.Fields(strings.ReplaceAll(args, "FILE", s.configFile))
		if out := command(t, "", append([]string{"dead-letters"}, fields...)...); out.code != exitUsage || out.stderr == "" {
			t.Errorf("%s: %s", args, fmt.Sprint(out))
		}
	}
}

func TestAnInterruptedRedriveGoesOnWhereItEnded(t *testing.T) {
	s := startServers(t)
	s.letters(3, 1)()
	s.kinesis.SetScript(func(embeddedkinesis.Call) embeddedkinesis.Action {
		return embeddedkinesis.Action{Code: "AccessDeniedException"}
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout, stderr testutil.Buffer
	done := make(chan int, 1)
	go func() {
		done <- execute(ctx, []string{"dead-letters", "redrive", "-c", s.configFile, "-o", "json"}, strings.NewReader(""), &stdout, &stderr)
	}()
	eventually(t, "it says why it is held", func() bool { return strings.Contains(stderr.String(), "reason=access-denied") })
	cancel()
	var a redriveAccount
	if code := <-done; code != exitFailed || !strings.Contains(stderr.String(), "goes on from here") {
		t.Errorf("exit %d, %s", code, &stderr)
	}
	if err := json.Unmarshal([]byte(stdout.String()), &a); err != nil || a.Selected != 4 || a.Left["interrupted"] != 3+1-a.DeadLettered["malformed"] {
		t.Errorf("%v: %+v", err, a)
	}
	s.kinesis.SetScript(nil)
	if a := s.redrive("--reason", "unknown-schema"); a.Selected != 3 || a.Delivered != 3 {
		t.Errorf("%+v", a)
	}
}
