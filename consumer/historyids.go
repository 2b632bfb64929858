package consumer

import "context"

// Remade tells whether one of the topics is another one than at the last call; it
// is for one goroutine at a time. One that is not there now is no other one yet.
func (h *History) Remade(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	now, err := topicIDs(ctx, h.transport, h.cfg.Addr(), h.cfg.TopicNames())
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

// TopicIDs are the ids of the topics as they are now, by name; of a topic that is not
// there, or where the broker does not say, there is none.
func (h *History) TopicIDs(ctx context.Context) (map[string][16]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	now, err := topicIDs(ctx, h.transport, h.cfg.Addr(), h.cfg.TopicNames())
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
