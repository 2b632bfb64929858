package destination

import (
	"context"
	"log/slog"
	"testing"

	"kinesis-destination/cmd/internal/deadletters"
	"kinesis-destination/cmd/internal/letter"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// A process that is killed between the put of a letter's old state and the look
// for newer ones cannot repair what it overtook: the next one does, whatever
// letters it is asked for.
func TestARedriveThatAKillCutOffIsRepairedByTheNext(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(22, embeddedkinesis.Rates{}))
	g, o := newLeads(t, 22, 1), newOracle()
	s.feedOneThatLeaves(g, o)
	last := int64(-1)
	s.loseToLetters(func(m *consumer.Message) bool { last = max(last, m.Offset); return true })
	options := deadletters.RedriveOptions{MaxRedrives: 3, Logger: slog.New(slog.DiscardHandler)}
	ctx := context.Background()
	r, err := deadletters.NewRedrive(ctx, s.config(""), options)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s.feedOneThatLeaves(g, o)
	replayAll(t, s.config(""), everything("live")) // the live pipeline delivers it
	var end func()
	if r.Sink, end, err = resend.OpenSink(ctx, r.Config, options.Logger, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Read(ctx, func(_ *consumer.Message, l *letter.Letter, _ string) error { return r.Send(ctx, l) }); err != nil {
		t.Fatal(err)
	}
	if err := r.InFlight.WaitIdle(ctx); err != nil {
		t.Fatal(err)
	}
	end() // killed: the round does not end
	if o.lastStates(s.embedded.History(s.name)) != 1 {
		t.Fatal("the story tells nothing")
	}
	options.Filter.Reasons = []string{"none-of-them"}
	a, err := deadletters.Redrive(ctx, s.config(""), options)
	if err != nil || o.lastStates(s.embedded.History(s.name)) != 0 || a.CaughtUp != 1 {
		t.Errorf("an old state is the last: %+v, %v", a, err)
	}
	if a, err = deadletters.Redrive(ctx, s.config(""), options); err != nil || a.CaughtUp != 0 {
		t.Errorf("what is repaired is repaired again: %+v, %v", a, err)
	}
	options.Filter.Reasons = nil
	if a := redriveAll(t, s.config(""), ""); a.Superseded == 0 || a.Delivered+a.CaughtUp != 0 {
		t.Errorf("%+v", a)
	}
}
