package consumer

import "slices"

// assignCooperatively spreads partitions over members that work on while they
// join (KIP-429). One that is to move is not given to its next owner yet: it is
// first taken from the member that claims it, which gives it up and joins again;
// the next assignment finds it free. So whoever is given a partition may begin
// at once. It is pure, as assign is.
func assignCooperatively(members []groupMember, partitions []topicPartition) map[string][]topicPartition {
	members = newestClaims(members)
	claimants := map[topicPartition][]string{}
	for _, m := range members {
		for _, p := range m.owned {
			claimants[p] = append(claimants[p], m.id)
		}
	}
	assigned := assign(members, partitions)
	for id, given := range assigned {
		assigned[id] = slices.DeleteFunc(given, func(p topicPartition) bool {
			return slices.ContainsFunc(claimants[p], func(claimant string) bool { return claimant != id })
		})
	}
	return assigned
}

// newestClaims leaves out claims that a member of a newer generation makes too:
// such a claim is of a member that has missed an assignment. When both are of one
// generation neither can be believed, and both lose the partition first.
func newestClaims(members []groupMember) []groupMember {
	newest := map[topicPartition]int{}
	for _, m := range members {
		for _, p := range m.owned {
			if generation, ok := newest[p]; !ok || m.generation > generation {
				newest[p] = m.generation
			}
		}
	}
	members = slices.Clone(members)
	for i, m := range members {
		members[i].owned = slices.DeleteFunc(slices.Clone(m.owned), func(p topicPartition) bool { return m.generation < newest[p] })
	}
	return members
}
