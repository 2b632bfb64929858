package lag

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/destination"
)

// statusTimeout keeps a process that does not answer from delaying what Kafka says.
const statusTimeout = 2 * time.Second

// maxStatus is what /status has with 10,000 partitions, many times over.
const maxStatus = 64 << 20

// running is what the process on server.listen says of a destination; nil: none answers.
type running struct{ *destination.Status }

// status asks the running process. Whatever goes wrong means that it is not known.
func status(ctx context.Context, c *config.Config) running {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(c.Server.Listen)+"/status", http.NoBody)
	if err != nil {
		return running{}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return running{}
	}
	defer func() { _ = response.Body.Close() }()
	var overview destination.Overview
	if err := json.NewDecoder(io.LimitReader(response.Body, maxStatus)).Decode(&overview); err != nil {
		return running{}
	}
	for i := range overview.Destinations {
		if s := &overview.Destinations[i]; s.Name == c.Name && s.Group == c.Source.Kafka.Group {
			return running{s}
		}
	}
	return running{}
}

// reachable is an address to dial for one that is listened on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// of is why a partition is held; nil: the process does not have it, or there is none.
func (r running) of(topic string, partition int) *string {
	if r.Status == nil {
		return nil
	}
	for _, p := range r.Partitions {
		if p.Topic == topic && p.Partition == partition {
			return &p.Held
		}
	}
	return nil
}
