package schemas

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// front is how many entries of a cache are read without a lock: those that were asked for last. A topic's events are of
// a few schemas at a time.
const front = 64

// Cache keeps what is made of writer schemas, and forgets what was asked for the longest time ago when it takes too many
// bytes. Whoever sends an event names its schema, so there can be any number of them. It may be used by many goroutines
// at once, and a read of what is in use takes no lock and no memory.
type Cache[K comparable, V any] struct {
	room  int // bytes
	front atomic.Pointer[map[K]*cached[V]]
	tick  atomic.Uint64 // one more with each entry

	mu    sync.Mutex // guards what follows, and front against a second writer
	all   map[K]*cached[V]
	bytes int
}

type cached[V any] struct {
	value V
	bytes int
	used  atomic.Uint64 // the tick at which it was asked for last
}

// NewCache makes a cache of so many bytes.
func NewCache[K comparable, V any](room int) *Cache[K, V] {
	c := &Cache[K, V]{room: room, all: map[K]*cached[V]{}}
	c.front.Store(&map[K]*cached[V]{})
	return c
}

// Get is the value of a key, if it is there.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	entry := (*c.front.Load())[key]
	if entry == nil {
		if entry = c.promote(key); entry == nil {
			return value, false
		}
	}
	if now := c.tick.Load(); entry.used.Load() != now {
		entry.used.Store(now)
	}
	return entry.value, true
}

// promote moves a key to the front.
func (c *Cache[K, V]) promote(key K) *cached[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.all[key]
	if entry == nil {
		return nil
	}
	next := map[K]*cached[V]{key: entry}
	if now := *c.front.Load(); len(now) < front {
		maps.Copy(next, now)
	}
	c.front.Store(&next)
	return entry
}

// Add keeps a value of so many bytes. When the key is there already, its value stays and is returned, with true.
func (c *Cache[K, V]) Add(key K, value V, bytes int) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry := c.all[key]; entry != nil {
		return entry.value, true
	}
	entry := &cached[V]{value: value, bytes: bytes}
	entry.used.Store(c.tick.Add(1))
	c.all[key] = entry
	if c.bytes += bytes; c.bytes > c.room {
		c.forget(key)
	}
	return value, false
}

// forget makes room: what was asked for the longest time ago goes, until an eighth is free. The newest stays whatever
// its size is.
func (c *Cache[K, V]) forget(newest K) {
	keys := slices.SortedFunc(maps.Keys(c.all), func(a, b K) int {
		return cmp.Compare(c.all[a].used.Load(), c.all[b].used.Load())
	})
	for _, key := range keys {
		if c.bytes <= c.room-c.room/8 {
			break
		}
		if key != newest {
			c.bytes -= c.all[key].bytes
			delete(c.all, key)
		}
	}
	c.front.Store(&map[K]*cached[V]{})
}

// Entries are the values by their keys.
func (c *Cache[K, V]) Entries() map[K]V {
	c.mu.Lock()
	defer c.mu.Unlock()
	entries := make(map[K]V, len(c.all))
	for key, entry := range c.all {
		entries[key] = entry.value
	}
	return entries
}
