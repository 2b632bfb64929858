package destination

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kinesis-destination/cmd/internal/hold"
	"kinesis-destination/cmd/internal/replay"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

// admin serves /healthz, /readyz, /metrics and /status, and apart from them profiles.
type admin struct {
	servers []*http.Server
	serving sync.WaitGroup
}

// startAdmin listens on every server.listen that the destinations name; all of
// them show all destinations.
func startAdmin(destinations []*Destination, registry *prometheus.Registry, o Options) (*admin, error) {
	registry.MustRegister(newLagCollector(destinations),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a := new(admin)
	listen := o.Listen
	if listen == nil {
		listen = net.Listen
	}
	var addresses []string
	for _, d := range destinations {
		if !slices.Contains(addresses, d.config.Server.Listen) {
			addresses = append(addresses, d.config.Server.Listen)
		}
	}
	for _, address := range addresses {
		listener, err := listen("tcp", address)
		if err != nil {
			a.close(context.Background())
			return nil, fmt.Errorf("listen on server.listen %s: %w", address, err)
		}
		a.serve(newServer(adminHandler(destinations, registry, o.Version), o.Logger, readTime), listener, "admin endpoints", o.Logger)
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

func adminHandler(destinations []*Destination, registry *prometheus.Registry, version string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		var reasons []string
		for _, d := range destinations {
			if ready, reason := d.Ready(); !ready {
				reasons = append(reasons, d.config.Name+": "+reason)
			}
		}
		if len(reasons) > 0 {
			http.Error(w, strings.Join(reasons, "\n"), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	var names []string
	for _, d := range destinations {
		names = append(names, hostOf(d.config.Server.Listen))
	}
	mux.Handle("GET /status", byAddress(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		overview := Overview{Version: version, Destinations: []Status{}}
		for _, d := range destinations {
			overview.Destinations = append(overview.Destinations, d.status())
		}
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(overview) // a reader that went away has no use for the error
	}), names...))
	return mux
}

// Overview is the body of /status.
type Overview struct {
	Version      string   `json:"version"`
	Destinations []Status `json:"destinations"`
}

// Status is one destination as /status shows it.
type Status struct {
	Name       string                 `json:"name"`
	Ready      bool                   `json:"ready"`
	Reason     string                 `json:"reason,omitempty"`
	Group      string                 `json:"group"`
	Member     string                 `json:"member"`
	Generation int                    `json:"generation"`
	Stream     string                 `json:"stream"`
	Rules      rules.Revision         `json:"rules"`
	Schemas    []rules.SchemaStatus   `json:"schemas"`
	Refused    *RefusedReload         `json:"refusedReload,omitempty"`
	Holds      []hold.Held            `json:"holds"`
	Partitions []PartitionStatus      `json:"partitions"`
	Sink       sink.Stats             `json:"sink"`
	Account    Account                `json:"account"`
	Backfill   *replay.BackfillStatus `json:"backfill,omitempty"`
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
		Sink: d.sink.Stats(), Account: d.Account(), Backfill: d.backfill.Status(),
	}
	s.Ready, s.Reason = d.Ready()
	s.Rules, s.Refused = d.Rules()
	s.Schemas = d.pipeline.rules.Load().Schemas()
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
