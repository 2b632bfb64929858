package consumer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	kafkaconsumer "github.com/segmentio/kafka-go/protocol/consumer"
)

func TestAPartitionThatMovesIsFirstTakenFromItsOwner(t *testing.T) {
	ps := partitionsOf("t", 12)
	members := []groupMember{
		{id: "a", topics: []string{"t"}, owned: ps[0:4], generation: 3},
		{id: "b", topics: []string{"t"}, owned: ps[4:8], generation: 3},
		{id: "c", topics: []string{"t"}, owned: ps[8:12], generation: 3},
		{id: "d", topics: []string{"t"}, generation: noGeneration},
	}
	first := assignCooperatively(members, ps)
	for i, m := range members[:3] {
		if kept := first[m.id]; len(kept) != 3 || slices.ContainsFunc(kept, func(p topicPartition) bool { return !slices.Contains(m.owned, p) }) {
			t.Errorf("%s has %v of %v", m.id, kept, m.owned)
		}
		members[i].owned = first[m.id]
	}
	if len(first["d"]) != 0 {
		t.Errorf("d has %v, which others had not given up", first["d"])
	}
	second := assignCooperatively(members, ps)
	for _, m := range members[:3] {
		if !slices.Equal(second[m.id], first[m.id]) {
			t.Errorf("%s had %v and has %v", m.id, first[m.id], second[m.id])
		}
	}
	if len(second["d"]) != 3 {
		t.Errorf("d has %v", second["d"])
	}
}

func TestOfTwoClaimsTheNewerCountsAndOfEqualOnesNeither(t *testing.T) {
	ps := partitionsOf("t", 2)
	for generation, want := range map[int][]topicPartition{4: ps[:1], 5: nil} {
		members := []groupMember{
			{id: "a", topics: []string{"t"}, owned: ps[:1], generation: generation},
			{id: "b", topics: []string{"t"}, owned: ps[:1], generation: 5},
		}
		result := assignCooperatively(members, ps[:1])
		if len(result["a"]) != 0 || !slices.Equal(result["b"], want) {
			t.Errorf("claims of generations %d and 5: %v", generation, result)
		}
	}
}

// modelMember works on what it holds, whatever its group is at.
type modelMember struct {
	groupMember                  // owned: what it holds
	given       []topicPartition // by an assignment that it has not looked at yet
	news        bool             // there is one
	releasing   []topicPartition // what it holds no longer for long
	joined      *groupMember     // what it said, while it waits for the others
}

// modelGroup is a coordinator and members that act one at a time, in any order.
type modelGroup struct {
	rnd        *rand.Rand
	partitions []topicPartition
	members    []*modelMember
	generation int
	joining    bool
	serial     int
	moved      int // partitions that began with a member
}

func (g *modelGroup) enter() {
	g.serial++
	g.members = append(g.members, &modelMember{groupMember: groupMember{id: fmt.Sprint("m", g.serial), topics: []string{"t"}, generation: noGeneration}})
	g.joining = true
}

// leave is an end that gives up first, or the end of a lease: either way nothing
// is held when the group assigns anew.
func (g *modelGroup) leave() {
	i := g.rnd.IntN(len(g.members))
	g.members = slices.Delete(g.members, i, i+1)
	g.joining = true
}

// step lets one member do the next thing that it can do.
func (g *modelGroup) step() {
	m := g.members[g.rnd.IntN(len(g.members))]
	switch {
	case len(m.releasing) > 0: // what is in flight has come to rest
		m.owned = slices.DeleteFunc(m.owned, func(p topicPartition) bool { return slices.Contains(m.releasing, p) })
		m.releasing, g.joining = nil, true
	case m.joined != nil:
	case m.news && g.rnd.IntN(2) == 0: // it looks at its assignment
		m.news = false
		for _, p := range m.given {
			if !slices.Contains(m.owned, p) {
				m.owned = append(m.owned, p)
				g.moved++
			}
		}
		m.releasing = slices.DeleteFunc(slices.Clone(m.owned), func(p topicPartition) bool { return slices.Contains(m.given, p) })
	case g.joining:
		said := m.groupMember
		said.owned = slices.Clone(m.owned)
		m.joined, m.news = &said, false
	}
	if g.joining && !slices.ContainsFunc(g.members, func(m *modelMember) bool { return m.joined == nil }) {
		g.assign()
	}
}

func (g *modelGroup) assign() {
	var said []groupMember
	for _, m := range g.members {
		said = append(said, *m.joined)
	}
	g.generation++
	g.joining = false
	result := assignCooperatively(said, g.partitions)
	for _, m := range g.members {
		m.joined, m.generation = nil, g.generation
		m.given, m.news = result[m.id], true
	}
}

// owners fails when a partition is held twice.
func (g *modelGroup) owners(t *testing.T) map[topicPartition]string {
	t.Helper()
	owners := map[topicPartition]string{}
	for _, m := range g.members {
		for _, p := range m.owned {
			if other, twice := owners[p]; twice {
				t.Fatalf("generation %d: %v is held by %s and %s", g.generation, p, other, m.id)
			}
			owners[p] = m.id
		}
	}
	return owners
}

// settle lets everybody do everything. A member may miss a generation, so it takes a
// few of them, bounded by how many members there are.
func (g *modelGroup) settle(t *testing.T) map[topicPartition]string {
	t.Helper()
	from := g.generation
	busy := func(m *modelMember) bool { return m.news || len(m.releasing) > 0 || m.joined != nil }
	for g.joining || slices.ContainsFunc(g.members, busy) {
		g.step()
		g.owners(t)
		if g.generation > from+2+2*len(g.members) {
			t.Fatalf("no end after %d generations", g.generation-from)
		}
	}
	owners := g.owners(t)
	low, high := len(g.partitions), 0
	for _, m := range g.members {
		low, high = min(low, len(m.owned)), max(high, len(m.owned))
	}
	if len(owners) != len(g.partitions) || high-low > 1 {
		t.Fatalf("%d of %d partitions are held, %d to %d each", len(owners), len(g.partitions), low, high)
	}
	return owners
}

func TestNoHistoryOfJoinsAndLeavesGivesAPartitionTwoOwners(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for world := range uint64(300) {
		g := &modelGroup{rnd: rand.New(rand.NewPCG(seed, world)), partitions: partitionsOf("t", 1+int(world%24))}
		g.enter()
		for range 60 {
			switch what := g.rnd.IntN(12); {
			case what == 0 && len(g.members) < 7:
				g.enter()
			case what == 1 && len(g.members) > 1:
				g.leave()
			default:
				g.step()
			}
			g.owners(t)
		}
		g.settle(t)

		// From rest, one that joins gets its share and nothing else moves; one
		// that leaves moves what it had.
		g.moved = 0
		g.enter()
		g.settle(t)
		if share := len(g.members[len(g.members)-1].owned); g.moved != share {
			t.Fatalf("seed %d, world %d: %d partitions moved for a share of %d", seed, world, g.moved, share)
		}
		before := len(g.partitions)
		g.moved = 0
		g.leave()
		for _, m := range g.members {
			before -= len(m.owned)
		}
		g.settle(t)
		if g.moved != before {
			t.Fatalf("seed %d, world %d: %d partitions moved where the one who left had %d", seed, world, g.moved, before)
		}
	}
}

func TestWhatAMemberSaysOfItselfIsReadInEveryVersion(t *testing.T) {
	ps := partitionsOf("t", 3)
	s := subscription{Topics: []string{"t", "u"}, UserData: []byte("data"), Owned: toWire(ps), Generation: 7}
	b, err := s.encode()
	if err != nil {
		t.Fatal(err)
	}
	m, userData, err := decodeMember("m", b)
	if err != nil || m.id != "m" || !slices.Equal(m.topics, s.Topics) || !slices.Equal(m.owned, ps) || m.generation != 7 || string(userData) != "data" {
		t.Errorf("read %+v, %q, %v", m, userData, err)
	}
	var earlier kafkaconsumer.Subscription // as an earlier version's leader reads it
	if err := protocol.Unmarshal(b, kafkaconsumer.MaxVersionSupported, &earlier); err != nil || !slices.Equal(earlier.Topics, s.Topics) || len(earlier.OwnedPartitions) != 1 {
		t.Errorf("an earlier version reads %+v, %v", earlier, err)
	}
	newer := append(slices.Clone(b), 0, 4, 'r', 'a', 'c', 'k')
	newer[1] = 3
	if m, _, err = decodeMember("m", newer); err != nil || !slices.Equal(m.owned, ps) || m.generation != 7 {
		t.Errorf("of a newer version: read %+v, %v", m, err)
	}
	first := slices.Clone(b[:len(b)-4])
	first[1] = 1
	if m, _, err = decodeMember("m", first); err != nil || !slices.Equal(m.owned, ps) || m.generation != noGeneration {
		t.Errorf("without a generation: read %+v, %v", m, err)
	}
	if _, _, err = decodeMember("m", b[:9]); err == nil {
		t.Error("a cut subscription was read")
	}
}
