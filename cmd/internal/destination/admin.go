package destination

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/cmd/internal/resend"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

// admin serves /healthz, /readyz, /metrics and /status, and apart from them profiles.
type admin struct {
	servers []*http.Server
	serving sync.WaitGroup
}

// startAdmin listens on the addresses of servers, which setting gives; each of them
// shows all of a fleet.
func startAdmin(endpoints []config.Server, setting string, fleet *Fleet, o Options) (*admin, error) {
	a := new(admin)
	listen := o.Listen
	if listen == nil {
		listen = net.Listen
	}
	var names []string
	for _, e := range endpoints {
		names = append(names, hostOf(e.Listen))
	}
	for _, e := range endpoints {
		listener, err := listen("tcp", e.Listen)
		if err != nil {
			a.close(context.Background())
			return nil, fmt.Errorf("listen on %s %s: %w", setting, e.Listen, err)
		}
		listener = overTLS(listener, e.TLS)
		a.serve(newServer(adminHandler(fleet, names, o.Version, e.Token), o.Logger, readTime), listener, "admin endpoints", o.Logger)
	}
	if o.Profiling == "" {
		return a, nil
	}
	listener, err := listen("tcp", o.Profiling)
	if err != nil {
		a.close(context.Background())
		return nil, fmt.Errorf("listen for profiling on %s: %w", o.Profiling, err)
	}
	a.serve(newServer(profiling(o.Profiling), o.Logger, 0), listener, "profiles", o.Logger)
	return a, nil
}

// adminHandler shows a fleet as it is when it is asked; names are those of this machine
// under which it may be asked, and token what /metrics and /status take; nil: nothing.
func adminHandler(fleet *Fleet, names []string, version string, token func() (string, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", byToken(promhttp.HandlerFor(fleet, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}), token))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := fleet.unready(); len(reasons) > 0 {
			http.Error(w, strings.Join(reasons, "\n"), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /status", byAddress(byToken(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		overview := Overview{Version: version, Destinations: []Status{}, Following: fleet.following()}
		for _, d := range fleet.destinations() {
			overview.Destinations = append(overview.Destinations, d.status())
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(overview) // a reader that went away has no use for the error
	}), token), names...))
	return mux
}

// Overview is the body of /status.
type Overview struct {
	Version      string     `json:"version"`
	Destinations []Status   `json:"destinations"`
	Following    *Following `json:"following,omitempty"` // where flows come and go
}

// Status is one destination as /status shows it.
type Status struct {
	Name       string               `json:"name"`
	Ready      bool                 `json:"ready"`
	Reason     string               `json:"reason,omitempty"`
	Group      string               `json:"group"`
	Member     string               `json:"member"`
	Generation int                  `json:"generation"`
	Stream     string               `json:"stream"`
	Rules      rules.Revision       `json:"rules"`
	Schemas    []rules.SchemaStatus `json:"schemas"`
	Segments   []SegmentStatus      `json:"segments"`
	// MissingPaths are the mapped attributes that none of the schemas so far has.
	MissingPaths []string               `json:"missingPaths"`
	Refused      *RefusedReload         `json:"refusedReload,omitempty"`
	Holds        []hold.Held            `json:"holds"`
	Partitions   []PartitionStatus      `json:"partitions"`
	Sink         sink.Stats             `json:"sink"`
	Account      Account                `json:"account"`
	Rejections   []Rejection            `json:"rejections"` // since the start, by reason
	Backfill     *replay.BackfillStatus `json:"backfill,omitempty"`
	Operations   []resend.Operation     `json:"operations,omitempty"` // the last ones, of the process with the first partition
	NoBackfill   *replay.NoBackfill     `json:"noBackfill,omitempty"` // what is not backfilled, and why
}

// PartitionStatus is one assigned partition as /status shows it.
type PartitionStatus struct {
	Topic      string  `json:"topic"`
	Partition  int     `json:"partition"`
	Committed  int64   `json:"committed"` // -1: nothing yet
	End        int64   `json:"end"`       // -1: not known yet
	Lag        *int64  `json:"lag"`       // null: not known yet
	LagSeconds float64 `json:"lagSeconds"`
	Open       int     `json:"open"` // handed out and not passed by the watermark
	// Held is why it does not go on, for a cause of its own or of the whole destination's.
	Held      string    `json:"held,omitempty"`
	HeldSince time.Time `json:"heldSince,omitzero"`
}

func (d *Destination) status() Status {
	stats := d.Stats()
	s := Status{
		Name: d.config.Name, Group: stats.Group, Member: stats.MemberID, Generation: stats.Generation,
		Stream: d.config.Target.Kinesis.Stream, Holds: d.holds.List(), Partitions: []PartitionStatus{},
		Sink: d.sink.Stats(), Account: d.Account(), Rejections: d.pipeline.rejections.List(), Backfill: d.backfill.Status(), NoBackfill: d.backfill.None(), Operations: d.operations.list(),
	}
	s.Ready, s.Reason = d.Ready()
	s.Rules, s.Refused = d.Rules()
	inForce := d.pipeline.rules.Load()
	s.Segments = d.segments.list()
	s.Schemas, s.MissingPaths = inForce.Schemas(), inForce.MissingPaths()
	for _, p := range stats.Partitions {
		s.Partitions = append(s.Partitions, partitionStatus(p, s.Holds))
	}
	return s
}

// partitionStatus shows of the holds, which come the oldest first, the first
// that is the partition's.
func partitionStatus(p consumer.PartitionStats, holds []hold.Held) PartitionStatus {
	s := PartitionStatus{
		Topic: p.Topic, Partition: p.Partition, Committed: p.Committed, End: p.End,
		LagSeconds: ageOf(p).Seconds(), Open: p.Open, Held: p.Held,
	}
	for _, h := range holds {
		if h.Topic == "" || h.Topic == p.Topic && h.Partition == p.Partition {
			s.Held, s.HeldSince = h.Reason, h.Since
			break
		}
	}
	if lag, ok := lagOf(p); ok {
		s.Lag = &lag
	}
	return s
}
