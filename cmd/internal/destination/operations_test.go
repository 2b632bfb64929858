package destination

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/testutil"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// Nobody knew who had dropped letters, or sent old states once more.
func TestContractWhoReplaysRedrivesAndDropsIsKept(t *testing.T) {
	s := newSite(t, nil)
	s.makeTopic(s.letterTopic(), sitePartitions)
	s.produce(kafka.Message{Key: []byte("lead-4711"), Value: []byte("no frame")})
	var log testutil.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	config := s.config("")
	options := everything("one")
	options.By, options.Logger = "ada@laptop", logger
	replayAll(t, config, options)
	if _, err := deadletters.Redrive(t.Context(), config, deadletters.RedriveOptions{MaxRedrives: 3, By: "grace@laptop", Logger: logger}); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		if _, err := deadletters.Drop(t.Context(), config, deadletters.DropOptions{DryRun: dry, By: "joan@laptop", Logger: logger}); err != nil {
			t.Fatal(err)
		}
	}
	history, err := consumer.NewHistory(config.Source.Kafka, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer history.Close()
	kept, count, keep, err := resend.Operations(t.Context(), history, config.Source.Kafka.Group)
	if err != nil || count != 3 || len(kept) != 3 || keep(t.Context()) != nil {
		t.Fatalf("%+v, %d, %v", kept, count, err)
	}
	for i, want := range []resend.Operation{{What: "replay", By: "ada@laptop", ID: "one"}, {What: "redrive", By: "grace@laptop", Events: 1}, {What: "drop", By: "joan@laptop", Events: 1}} {
		if got := kept[i]; got.What != want.What || got.By != want.By || got.ID != want.ID || got.Events != want.Events || time.Since(got.At) > time.Minute {
			t.Errorf("%+v, expected %+v", got, want)
		}
		if !strings.Contains(log.String(), "what="+want.What+" by="+want.By) {
			t.Errorf("the log has no %s: %s", want.What, log.String())
		}
	}
	if strings.Contains(log.String(), "4711") {
		t.Error("the log holds an identity")
	}
}

// However long the names are, the last operations fit beside an offset.
func TestTheLastOperationsAreKeptHoweverManyThereAre(t *testing.T) {
	s := newSite(t, nil)
	config := s.config("")
	history, err := consumer.NewHistory(config.Source.Kafka, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer history.Close()
	var log testutil.Buffer
	for i := range 15 {
		resend.NoteOperation(t.Context(), config.Source.Kafka, resend.Operation{
			What: "redrive", By: strings.Repeat("\"", resend.MostBy), ID: strings.Repeat("i", 100), Events: int64(i),
		}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	}
	kept, count, _, err := resend.Operations(t.Context(), history, config.Source.Kafka.Group)
	if err != nil || count != 15 || len(kept) == 0 || kept[len(kept)-1].Events != 14 {
		t.Errorf("%d kept of %d, %v; %s", len(kept), count, err, log.String())
	}
}

// What was begun after the process, and before its first look, was told by nobody.
func TestAnOperationRightAfterTheStartIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		note := func(all ...resend.Operation) {
			t.Helper()
			history, err := consumer.NewHistory(b.config("").Source.Kafka, b.network.DialContext)
			if err != nil {
				t.Fatal(err)
			}
			defer history.Close()
			checkpoints, err := history.Checkpoints(t.Context(), resend.OperationsGroup(b.config("").Source.Kafka.Group))
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(all)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkpoints.Commit(t.Context(), consumer.Checkpoint{Topic: testTopic, Next: int64(len(all)), Note: string(text)}); err != nil {
				t.Fatal(err)
			}
		}
		before := resend.Operation{What: "drop", By: "ada@laptop", At: time.Now()}
		note(before)
		pass(time.Second)
		p := b.start(8080, "")
		pass(3 * time.Second)
		note(before, resend.Operation{What: "replay", By: "grace@laptop", At: time.Now()})
		pass(3 * time.Minute)
		if log := b.log.String(); strings.Count(log, "an operation was begun") != 1 || !strings.Contains(log, "what=replay by=grace@laptop") {
			t.Errorf("%d are told", strings.Count(log, "an operation was begun"))
		}
		p.stop(t)
	})
}

// A command's own log is on somebody's screen; the process's is kept.
func TestARunningProcessTellsWhoDidWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, 2, embeddedkinesis.Options{})
		p := b.start(8080, "")
		pass(2 * time.Minute)
		history, err := consumer.NewHistory(p.config.Source.Kafka, b.network.DialContext)
		if err != nil {
			t.Fatal(err)
		}
		defer history.Close()
		checkpoints, err := history.Checkpoints(t.Context(), resend.OperationsGroup(p.config.Source.Kafka.Group))
		if err != nil {
			t.Fatal(err)
		}
		note, err := json.Marshal([]resend.Operation{{What: "drop", By: "ada@laptop", At: time.Now(), Events: 7}})
		if err != nil {
			t.Fatal(err)
		}
		if err := checkpoints.Commit(t.Context(), consumer.Checkpoint{Topic: testTopic, Next: 1, Note: string(note)}); err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Minute)
		if n := strings.Count(b.log.String(), "an operation was begun"); n != 1 || !strings.Contains(b.log.String(), "what=drop by=ada@laptop") {
			t.Errorf("it is told %d times", n)
		}
		if _, body := b.get(8080, "/status"); !strings.Contains(body, `"by": "ada@laptop"`) {
			t.Error("/status does not tell")
		}
		p.stop(t)
	})
}
