package follow_test

import (
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/destination"
)

// The stories below run the program as it is built on the embedded servers, and on real
// ones where the environment gives their addresses.

func TestContractFromAnEmptyStoreToARecordByAPIAlone(t *testing.T) {
	s := newSite(t, false)
	name := "leads" + s.topic[len("events-follow"):]
	s.createStream(name, 4)
	served, admin := s.serve()
	from, account := s.account()
	m := s.flow(from, account, name, false)
	took := s.await(30*time.Second, "the flow runs", func() bool { return s.state(admin, m.flow).State == destination.Running })
	t.Logf("a flow ran %v after it was made", took.Round(time.Millisecond))
	if took > soon {
		t.Errorf("a flow ran only after %v", took)
	}
	before := s.status(admin, m.flow)
	s.activate(&m)
	took = s.await(30*time.Second, "the activation is in force", func() bool { return s.status(admin, m.flow).Rules.Version > before.Rules.Version })
	t.Logf("its activation was in force %v after it was answered", took.Round(time.Millisecond))
	if after := s.status(admin, m.flow); took > soon || after.Generation != before.Generation || after.Member != before.Member {
		t.Errorf("the activation took %v, or a rebalance: generation %d of member %s, %d of %s before", took, after.Generation, after.Member, before.Generation, before.Member)
	}
	pass(backfilled)

	began := time.Now()
	s.feed(500)
	s.await(30*time.Second, "a record is on the stream", func() bool { return s.records(name) > 0 })
	t.Logf("a record was on the stream %v after the events were begun to be written", time.Since(began).Round(time.Millisecond))
	s.await(30*time.Second, "all records are", func() bool { return s.records(name) >= s.written })

	// A second process shares the flow, and takes it over.
	follower, second := s.start("run", "--follow")
	s.await(30*time.Second, "the second process has half of the partitions", func() bool {
		return len(s.status(second, m.flow).Partitions) == 6 && len(s.status(admin, m.flow).Partitions) == 6
	})
	s.feed(500)
	s.end(served)
	s.await(30*time.Second, "the second process has all partitions", func() bool { return len(s.status(second, m.flow).Partitions) == 12 })
	s.await(30*time.Second, "all records are there", func() bool { return s.records(name) >= s.written })

	// Paused while nobody else runs it; what comes meanwhile waits.
	served, admin = s.serve()
	m.etag = s.call("POST", "/flows/"+m.flow+"/action?op=disable", "", 200)["etag"].(string)
	took = s.await(30*time.Second, "both have stopped it", func() bool {
		return s.state(admin, m.flow).State == destination.Stopped && s.state(second, m.flow).State == destination.Stopped
	})
	t.Logf("it was stopped %v after it was disabled", took.Round(time.Millisecond))
	waiting := s.written
	s.feed(200)
	pass(time.Second)
	if n := s.records(name); n != waiting {
		t.Errorf("%d records of %d events that left before the pause", n, waiting)
	}
	s.call("POST", "/flows/"+m.flow+"/action?op=enable", "", 200)
	s.await(30*time.Second, "what waited is there", func() bool { return s.records(name) >= s.written })
	pass(3 * time.Second)
	if n := s.records(name); n != s.written {
		t.Errorf("%d records of %d events that leave", n, s.written)
	}
	s.end(follower)
	s.end(served)
}

func TestContractFlowsGoOnWhenTheJournalIsMadeAnew(t *testing.T) {
	s := newSite(t, false)
	name := "leads" + s.topic[len("events-follow"):]
	s.createStream(name, 1)
	// A process that follows waits for a control plane, and finds what that has made.
	follower, admin := s.start("run", "--follow")
	s.await(30*time.Second, "it waits", func() bool { return strings.Contains(s.log.String(), "waiting for a control plane") })
	served, _ := s.serve()
	from, account := s.account()
	m := s.flow(from, account, name, true)
	s.await(30*time.Second, "the flow runs where it is followed", func() bool { return s.state(admin, m.flow).State == destination.Running })
	s.end(served)
	pass(backfilled)
	if _, err := s.kafka.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{s.journal}}); err != nil {
		t.Fatal(err)
	}
	s.told += "-anew"     // of what others have told it would know that there was a journal, and make none
	served, _ = s.serve() // makes another one, with another id
	s.await(time.Minute, "it says that it follows no more", func() bool {
		f := s.overview(admin).Following
		return f != nil && strings.Contains(f.Trouble, "made anew")
	})
	if f := s.state(admin, m.flow); f.State != destination.Running {
		t.Errorf("the flow does not go on: %+v", f)
	}
	s.feed(100)
	s.await(30*time.Second, "its records are there", func() bool { return s.records(name) >= s.written })
	s.end(follower)
	s.end(served)
}
