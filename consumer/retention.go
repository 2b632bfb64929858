package consumer

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// Retention is how long Kafka keeps what is written to the topics, the shortest of
// them; 0: for good, or as long as the key has no newer message.
func (h *History) Retention(ctx context.Context) (time.Duration, error) {
	const policy, span = "cleanup.policy", "retention.ms"
	topics, err := h.cfg.lookUp(ctx, h.client, h.cfg.Addr())
	if err != nil {
		return 0, err
	}
	request := &kafka.DescribeConfigsRequest{}
	seen := map[string]bool{}
	for _, tp := range allPartitions(topics) {
		if !seen[tp.topic] {
			seen[tp.topic] = true
			request.Resources = append(request.Resources, kafka.DescribeConfigRequestResource{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: tp.topic, ConfigNames: []string{policy, span},
			})
		}
	}
	answer, err := h.client.DescribeConfigs(ctx, request)
	if err != nil {
		return 0, fmt.Errorf("look up the retention of the topics: %w", err)
	}
	var shortest time.Duration
	for _, r := range answer.Resources {
		if r.Error != nil {
			return 0, fmt.Errorf("look up the retention of topic %s: %w", r.ResourceName, r.Error)
		}
		settings := map[string]string{}
		for _, entry := range r.ConfigEntries {
			settings[entry.ConfigName] = entry.ConfigValue
		}
		kept := keptFor(settings[policy], settings[span])
		if kept > 0 && (shortest == 0 || kept < shortest) {
			shortest = kept
		}
	}
	return shortest, nil
}

// keptFor is how long a topic of two settings keeps a message; 0: for good.
func keptFor(policy, milliseconds string) time.Duration {
	n, err := strconv.ParseInt(milliseconds, 10, 64)
	if err != nil || n < 0 || policy != "" && !strings.Contains(policy, "delete") {
		return 0
	}
	const longest = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(n, longest)) * time.Millisecond
}
