package consumer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func partitionsOf(topic string, n int) []topicPartition {
	var ps []topicPartition
	for i := range n {
		ps = append(ps, topicPartition{topic, i})
	}
	return ps
}

func TestAssignGivesEveryPartitionToExactlyOneSubscriberEvenly(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 500 {
		n := 1 + rnd.IntN(6)
		ps := partitionsOf("t", rnd.IntN(20))
		var members []groupMember
		for i := range n {
			m := groupMember{id: fmt.Sprint("m", i), topics: []string{"t"}}
			for _, p := range ps { // stale and double claims included
				if rnd.IntN(3) == 0 {
					m.owned = append(m.owned, p)
				}
			}
			members = append(members, m)
		}
		result := assign(members, ps)
		var all []topicPartition
		low, high := len(ps), 0
		for _, m := range members {
			all = append(all, result[m.id]...)
			low, high = min(low, len(result[m.id])), max(high, len(result[m.id]))
		}
		slices.SortFunc(all, compareTopicPartitions)
		if !slices.Equal(all, ps) {
			t.Fatalf("seed %d: assigned %v of %v", seed, all, ps)
		}
		if len(ps) > 0 && high-low > 1 {
			t.Fatalf("seed %d: uneven, %d to %d", seed, low, high)
		}
	}
}

func TestAssignMovesOnlyWhatANewMemberNeeds(t *testing.T) {
	ps := partitionsOf("t", 12)
	members := []groupMember{
		{id: "a", topics: []string{"t"}, owned: ps[0:4]},
		{id: "b", topics: []string{"t"}, owned: ps[4:8]},
		{id: "c", topics: []string{"t"}, owned: ps[8:12]},
		{id: "d", topics: []string{"t"}},
	}
	result := assign(members, ps)
	for _, m := range members[:3] {
		if len(result[m.id]) != 3 {
			t.Errorf("%s has %v", m.id, result[m.id])
		}
		for _, p := range result[m.id] {
			if !slices.Contains(m.owned, p) {
				t.Errorf("%v moved to %s, which did not own it", p, m.id)
			}
		}
	}
	if len(result["d"]) != 3 {
		t.Errorf("the new member has %v", result["d"])
	}
}

func TestAssignGivesATopicOnlyToItsSubscribers(t *testing.T) {
	ps := append(partitionsOf("t", 4), partitionsOf("u", 4)...)
	result := assign([]groupMember{
		{id: "a", topics: []string{"t"}},
		{id: "b", topics: []string{"t", "u"}},
	}, ps)
	for _, p := range result["a"] {
		if p.topic == "u" {
			t.Errorf("a is not subscribed to u and has %v", p)
		}
	}
	if len(result["a"])+len(result["b"]) != 8 {
		t.Errorf("not all are assigned: %v", result)
	}
}
