package destination

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/replay"
)

// Old states would stand after newer ones, and stay there.
func TestAReplayOfAllEventsBesideRunningProcessesIsRefused(t *testing.T) {
	s := newSite(t, nil)
	g, o := newLeads(t, 81, 20), newOracle()
	s.feed(g, o, 40)
	p := s.start()
	s.await(time.Minute, "events are at rest", func() bool { return atRest(p) >= o.total })
	before := len(s.embedded.History(s.name))
	if _, err := replay.Run(t.Context(), s.config(""), everything("all")); !errors.Is(err, replay.ErrBesideLive) {
		t.Errorf("beside a process: %v", err)
	}
	if sent := len(s.embedded.History(s.name)) - before; sent != 0 {
		t.Errorf("%d records were sent", sent)
	}
	for name, change := range map[string]func(*replay.Options){
		"latest": func(o *replay.Options) { o.LatestOnly = true },
		"dry":    func(o *replay.Options) { o.DryRun = true },
		"meant":  func(o *replay.Options) { o.BesideLive = true },
	} {
		options := everything(name)
		change(&options)
		replayAll(t, s.config(""), options)
	}
	p.stop(t)
	replayAll(t, s.config(""), everything("alone"))
}

// A dropped letter is erased; nobody would know that it is there once more because of a replay.
func TestAReplayMakesNoLettersAnewThatWereDropped(t *testing.T) {
	s := newSite(t, nil)
	s.makeTopic(s.letterTopic(), sitePartitions)
	g, o := newLeads(t, 82, 20), newOracle()
	s.feed(g, o, 20)
	s.produce(kafka.Message{Key: []byte("k"), Value: []byte("no frame")})
	s.feed(g, o, 20)
	first := replayAll(t, s.config(""), everything("first"))
	if first.DeadLettered["malformed"] != 1 {
		t.Fatalf("%+v: where no letter was dealt with, events that cannot be exported are letters", first)
	}
	dropped, err := deadletters.Drop(t.Context(), s.config(""), deadletters.DropOptions{})
	if err != nil || dropped.Dropped != 1 {
		t.Fatalf("%+v, %v", dropped, err)
	}
	if _, err := replay.Run(t.Context(), s.config(""), everything("again")); !errors.Is(err, replay.ErrLettersAgain) {
		t.Errorf("after a drop: %v", err)
	}
	list, err := deadletters.ListAll(t.Context(), s.config(""), "", deadletters.Filter{}, 0)
	if err != nil || list.Open != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	for letters, want := range map[string]int64{replay.LettersSkip: 0, replay.LettersWrite: 1} {
		options := everything("again") // goes on where it ended
		options.Letters = letters
		if letters == replay.LettersWrite {
			options.ID = "write"
		}
		a := replayAll(t, s.config(""), options)
		if a.Consumed != o.total+1 || a.DeadLettered["malformed"] != want || a.Filtered[replay.ReasonLetterSkipped] != 1-want {
			t.Errorf("--letters %s: %+v", letters, a)
		}
	}
}
