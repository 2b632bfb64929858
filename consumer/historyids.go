package consumer

import (
	"context"
	"sync"
	"time"
)

// Remade tells whether one of the topics is another one than at the last call; it
// is for one goroutine at a time. One that is not there now is no other one yet.
func (h *History) Remade(ctx context.Context) (bool, error) {
	now, err := h.askIDs(ctx, h.cfg.TopicNames())
	if err != nil {
		return false, err
	}
	if h.ids == nil {
		h.ids = map[string]topicID{}
	}
	remade := false
	for topic, id := range now.ids {
		remade = remade || h.ids[topic].other(id)
		h.ids[topic] = id
	}
	return remade, nil
}

// askIDs asks for the ids of topics, for as long as a request may take.
func (h *History) askIDs(ctx context.Context, topics []string) (*metadataAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return topicIDs(ctx, h.transport, h.cfg.Addr(), topics)
}

// TopicIDs are the ids of the topics as they are now, by name; of a topic that is not
// there, or where the broker does not say, there is none.
func (h *History) TopicIDs(ctx context.Context) (map[string][16]byte, error) {
	now, err := h.askIDs(ctx, h.cfg.TopicNames())
	if err != nil {
		return nil, err
	}
	ids := map[string][16]byte{}
	for topic, id := range now.ids {
		if id != (topicID{}) {
			ids[topic] = id
		}
	}
	return ids, nil
}

// idsFor is how long a topic's id is believed: of one that is made anew meanwhile, what is read
// has the id of the one before it, and passes for older than it is.
const idsFor = 10 * time.Second

// knownIDs are the ids of topics that are read.
type knownIDs struct {
	mu    sync.Mutex // guards all below
	ids   map[string]topicID
	asked map[string]time.Time
}

// topicID is the id of a topic that is read; zero where nobody has said it.
func (h *History) topicID(ctx context.Context, topic string) topicID {
	k := &h.known
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil {
		k.ids, k.asked = map[string]topicID{}, map[string]time.Time{}
	}
	if time.Since(k.asked[topic]) < idsFor {
		return k.ids[topic]
	}
	if now, err := h.askIDs(ctx, []string{topic}); err == nil {
		k.ids[topic], k.asked[topic] = now.ids[topic], time.Now()
	}
	return k.ids[topic]
}
