package follow_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/schemas"
)

// overview is /status of a process.
func (s *site) overview(admin string) destination.Overview {
	s.t.Helper()
	var all destination.Overview
	res, err := http.Get("http://" + admin + "/status") //nolint:noctx // the test's own time bounds it
	if err != nil {
		return all // it does not listen yet
	}
	defer func() { _ = res.Body.Close() }()
	_ = json.NewDecoder(res.Body).Decode(&all) // what is not there is looked for again
	return all
}

// state is what a flow does in a process.
func (s *site) state(admin, id string) destination.Flow {
	if f := s.overview(admin).Following; f != nil {
		for _, one := range f.Flows {
			if one.ID == id {
				return one
			}
		}
	}
	return destination.Flow{}
}

// status is a flow as a destination that runs.
func (s *site) status(admin, id string) destination.Status {
	for _, d := range s.overview(admin).Destinations {
		if d.Name == id {
			return d
		}
	}
	return destination.Status{}
}

// feed writes n events.
func (s *site) feed(n int) {
	s.t.Helper()
	var messages []kafka.Message
	for range n {
		e, err := s.leads.Next()
		if err != nil {
			s.t.Fatal(err)
		}
		if e.Filtered == "" {
			s.written++
		}
		messages = append(messages, kafka.Message{Key: []byte(e.Key), Value: append(schemas.AppendFrame(nil, s.schemaID), e.Body...)})
	}
	w := kafka.Writer{Addr: s.kafka.Addr, Topic: s.topic, Transport: s.kafka.Transport, Balancer: kafka.Murmur2Balancer{}, RequiredAcks: kafka.RequireAll, BatchSize: n, BatchTimeout: time.Millisecond}
	if err := errors.Join(w.WriteMessages(s.t.Context(), messages...), w.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// status is one destination as /status shows it.
func (r *rig) status(id string) destination.Status {
	r.t.Helper()
	_, body := r.get("/status")
	var all destination.Overview
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		r.t.Fatal(err)
	}
	for _, s := range all.Destinations {
		if s.Name == id {
			return s
		}
	}
	return destination.Status{}
}

// commits counts, from now on, how often offsets of a group are committed.
func (r *rig) commits() func(group string) int {
	var mu sync.Mutex
	counts := map[string]int{}
	r.kafka.ControlKey(int16(kmsg.OffsetCommit), func(request kmsg.Request) (kmsg.Response, error, bool) {
		r.kafka.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		counts[request.(*kmsg.OffsetCommitRequest).Group]++
		return nil, nil, false
	})
	return func(group string) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[group]
	}
}

// get asks an admin endpoint.
func (r *rig) get(path string) (int, string) {
	r.t.Helper()
	transport := &http.Transport{DialContext: r.network.DialContext}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://" + adminAt + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}
