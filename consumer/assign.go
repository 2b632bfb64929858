package consumer

import (
	"cmp"
	"slices"
)

// topicPartition names a partition.
type topicPartition struct {
	topic     string
	partition int
}

func compareTopicPartitions(a, b topicPartition) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}

// groupMember is what the leader knows of a member when it assigns.
type groupMember struct {
	id         string
	topics     []string
	owned      []topicPartition
	generation int // that owned is of; noGeneration: of none, or it does not say
}

// assign spreads partitions over members so that nobody has two more than
// anybody else who could take them, and so that a partition stays where it was
// when that allows it (sticky): what does not move is not read twice and keeps
// its place. It is pure, and every leader gives the same answer.
func assign(members []groupMember, partitions []topicPartition) map[string][]topicPartition {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b groupMember) int { return cmp.Compare(a.id, b.id) })
	partitions = slices.Clone(partitions)
	slices.SortFunc(partitions, compareTopicPartitions)

	result := make(map[string][]topicPartition, len(members))
	for _, m := range members {
		result[m.id] = nil
	}
	free := keepOwned(members, partitions, result)
	for _, p := range free {
		if id, ok := leastLoaded(members, p.topic, result); ok {
			result[id] = append(result[id], p)
		}
	}
	level(members, result)
	for _, owned := range result {
		slices.SortFunc(owned, compareTopicPartitions)
	}
	return result
}

// keepOwned gives each member what it owned, and returns the partitions that
// nobody did. When two members claim one partition the first by id has it.
func keepOwned(members []groupMember, partitions []topicPartition, result map[string][]topicPartition) []topicPartition {
	owner := map[topicPartition]string{}
	for _, m := range members {
		for _, p := range m.owned {
			if _, taken := owner[p]; !taken && slices.Contains(m.topics, p.topic) {
				owner[p] = m.id
			}
		}
	}
	var free []topicPartition
	for _, p := range partitions {
		if id, ok := owner[p]; ok {
			result[id] = append(result[id], p)
			continue
		}
		free = append(free, p)
	}
	return free
}

func leastLoaded(members []groupMember, topic string, result map[string][]topicPartition) (string, bool) {
	best, found := "", false
	for _, m := range members {
		if !slices.Contains(m.topics, topic) {
			continue
		}
		if !found || len(result[m.id]) < len(result[best]) {
			best, found = m.id, true
		}
	}
	return best, found
}

// level moves single partitions from the fullest to emptier members until no
// move makes the spread better.
func level(members []groupMember, result map[string][]topicPartition) {
	for {
		fullest := slices.SortedStableFunc(slices.Values(members), func(a, b groupMember) int {
			return cmp.Compare(len(result[b.id]), len(result[a.id]))
		})
		if !slices.ContainsFunc(fullest, func(from groupMember) bool { return moveOne(members, from.id, result) }) {
			return
		}
	}
}

func moveOne(members []groupMember, from string, result map[string][]topicPartition) bool {
	for i, p := range slices.Backward(result[from]) {
		to, ok := leastLoaded(members, p.topic, result)
		if ok && len(result[from])-len(result[to]) > 1 {
			result[from] = slices.Delete(result[from], i, i+1)
			result[to] = append(result[to], p)
			return true
		}
	}
	return false
}
