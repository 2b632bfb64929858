package schemas

import (
	"fmt"
	"sync"
	"testing"
)

func TestTheCacheForgetsWhatWasAskedForLongestAgo(t *testing.T) {
	c := NewCache[int, string](100)
	for i := range 10 {
		c.Add(i, fmt.Sprint(i), 10)
	}
	for _, used := range []int{0, 3} {
		c.Get(used)
	}
	c.Add(10, "10", 10)
	for key, want := range map[int]bool{0: true, 1: false, 2: false, 3: true, 4: false, 5: true, 9: true, 10: true} {
		if value, ok := c.Get(key); ok != want || ok && value != fmt.Sprint(key) {
			t.Errorf("%d: %q %v", key, value, ok)
		}
	}
	if value, there := c.Add(10, "another", 10); !there || value != "10" {
		t.Errorf("%q takes the place of what is there", value)
	}
	c.Add(11, "larger than all", 1000)
	if _, ok := c.Get(11); !ok || len(c.Entries()) != 1 {
		t.Errorf("what is larger than the cache is not kept alone: %v", c.Entries())
	}
}

func TestAReadOfTheCacheTakesNoMemory(t *testing.T) {
	c := NewCache[schemaKey, *Schema](1 << 20)
	for id := range uint64(2 * front) {
		c.Add(schemaKey{id: id}, &Schema{}, 1)
	}
	c.Get(schemaKey{id: 7})
	if n := testing.AllocsPerRun(100, func() { c.Get(schemaKey{id: 7}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTheCacheIsBoundedWhateverItIsAskedFor is for the race detector, too.
func TestTheCacheIsBoundedWhateverItIsAskedFor(t *testing.T) {
	c := NewCache[int, int](1000)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 2000 {
				key := (i*7 + worker*i) % 300
				if value, ok := c.Get(key); ok && value != key {
					t.Errorf("%d is %d", key, value)
				}
				c.Add(key, key, 10)
			}
		})
	}
	all.Wait()
	if n := len(c.Entries()); n > 100 {
		t.Errorf("%d entries of 10 bytes in a cache of 1,000", n)
	}
}
