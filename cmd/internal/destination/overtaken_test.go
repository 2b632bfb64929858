package destination

import (
	"testing"

	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/consumer"
	"kinesis-destination/sink/embeddedkinesis"
)

// overtaking is a replay of one identity's newest event, which the live pipeline
// overtakes with a newer one between the look for newer ones and the put.
func (s *site) overtaking(o *oracle, options replay.Options) (r *replay.Job, at *resend.PartitionRange, end func()) {
	s.t.Helper()
	g := newLeads(s.t, 35, 1)
	s.feed(g, o, 20)
	ctx := s.t.Context()
	r, err := replay.New(ctx, s.config(""), options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(r.History.Close)
	if r.Sink, end, err = resend.OpenSink(ctx, r.Config, options.Logger, nil); err != nil {
		s.t.Fatal(err)
	}
	at = r.Ranges[0] // of the one partition that holds something
	r.Start(at)
	if err := r.Scan(ctx, at); err != nil {
		s.t.Fatal(err)
	}
	s.feedOneThatLeaves(g, o)
	replayAll(s.t, s.config(""), everything("live")) // the live pipeline delivers it
	if err := r.History.Read(ctx, consumer.Range{Topic: s.topic, Partition: at.Partition, To: at.To},
		func(m *consumer.Message) error { return r.Event(ctx, at, m) }); err != nil {
		s.t.Fatal(err)
	}
	if err := r.InFlight.WaitIdle(ctx); err != nil {
		s.t.Fatal(err)
	}
	if o.lastStates(s.embedded.History(s.name)) != 1 {
		s.t.Fatal("the story tells nothing")
	}
	return r, at, end
}

// feedOneThatLeaves feeds until an event of the one lead leaves.
func (s *site) feedOneThatLeaves(g *leads.Generator, o *oracle) {
	s.t.Helper()
	for before := len(o.expected["lead-00000"]); len(o.expected["lead-00000"]) == before; {
		s.feed(g, o, 1)
	}
}

func TestWhatLiveTrafficOvertookIsPutOnceMore(t *testing.T) {
	s, o := newSite(t, embeddedkinesis.Random(38, embeddedkinesis.Rates{})), newOracle()
	options := everything("overtaken")
	options.LatestOnly = true
	r, at, end := s.overtaking(o, options)
	defer end()
	at.Taken = at.To
	if err := r.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := r.Account(); o.lastStates(s.embedded.History(s.name)) != 0 || a.CaughtUp != 1 {
		t.Errorf("an old state is the last: %+v", a)
	}
}

// A process that is killed between the put of an old state and the look for newer
// ones cannot repair what it overtook: the next one does.
func TestARoundThatAKillCutOffIsRepairedByTheNextRun(t *testing.T) {
	s, o := newSite(t, embeddedkinesis.Random(35, embeddedkinesis.Rates{})), newOracle()
	options := everything("cut-off")
	options.LatestOnly = true
	_, _, end := s.overtaking(o, options)
	end() // killed: the round does not end
	a := replayAll(t, s.config(""), options)
	if o.lastStates(s.embedded.History(s.name)) != 0 || a.CaughtUp != 1 {
		t.Errorf("an old state is the last: %+v", a)
	}
}

func TestLatestOnlySendsNothingOlderThanWhatLeavesAfterTheRange(t *testing.T) {
	s := newSite(t, embeddedkinesis.Random(39, embeddedkinesis.Rates{}))
	g, o := newLeads(t, 39, 1), newOracle()
	s.feedOneThatLeaves(g, o)
	options := everything("range")
	options.LatestOnly = true
	r, err := replay.New(t.Context(), s.config(""), options)
	if err != nil {
		t.Fatal(err)
	}
	defer r.History.Close()
	n := o.total
	s.feedOneThatLeaves(g, o)
	if err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := r.Account(); a.Consumed != n || a.Delivered != 0 || a.Filtered[resend.ReasonSuperseded] != 1 || len(s.embedded.History(s.name)) != 0 {
		t.Errorf("an older state was sent: %+v", a)
	}
}
