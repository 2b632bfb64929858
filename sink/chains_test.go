package sink

import (
	"fmt"
	"testing"
)

// TestChainsFindAKeyByItsHash agrees with a map, while it grows and while keys go, also
// where keys share a hash.
func TestChainsFindAKeyByItsHash(t *testing.T) {
	cs, plain := newChains(), map[string]*chain{}
	record := func(i int) *Record {
		key := fmt.Sprint("key-", i)
		return &Record{PartitionKey: key, hash: hashOf(fmt.Sprint(i / 3))}
	}
	const keys = 1000
	for i := range 5 * keys {
		r := record(i * 7919 % keys)
		c := cs.find(r)
		if c != plain[r.PartitionKey] {
			t.Fatalf("step %d: %v, want %v", i, c, plain[r.PartitionKey])
		}
		if c != nil && i%2 == 0 {
			cs.remove(c)
			delete(plain, c.key)
		}
		if c == nil {
			c = &chain{key: r.PartitionKey, hash: r.hash}
			cs.add(c)
			plain[c.key] = c
		}
	}
	all := cs.all()
	if len(all) != len(plain) || cs.n != len(plain) {
		t.Errorf("%d chains, %d by their count, want %d", len(all), cs.n, len(plain))
	}
	for _, c := range all {
		if plain[c.key] != c {
			t.Errorf("%s is not there, or there again", c.key)
		}
	}
}
