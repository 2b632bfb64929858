package schemas

import (
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// lookupWait is how long a registry is asked again before its answer that it does not have a schema is believed: a
	// follower of a registry's cluster learns of a new schema some moments after its leader, and its producer uses it
	// at once. Only the partition of the message waits meanwhile.
	lookupWait = 5 * time.Second

	// firstPause is the pause after the first answer; each is twice the one before.
	firstPause = 100 * time.Millisecond

	// Bytes that are no frame name schemas that nobody knows, each another one. When so many were waited for in vain
	// within a time, an answer is believed at once: strangers hold a partition for a twentieth of the time at most.
	maxStrangers = 6
	strangersFor = 10 * time.Minute

	// unknownFor is how long an answer that was believed is taken as true: short enough that a schema registered late is
	// found, long enough that a topic full of strangers asks the registry a few times a minute.
	unknownFor = 15 * time.Second

	// maxUnknown bounds how many unknown schemas are remembered; random bytes look like many.
	maxUnknown = 4096
)

// refusals remember which schemas there are not.
type refusals struct {
	mu        sync.Mutex
	byKey     map[schemaKey]refusal
	strangers []time.Time // when schemas had been waited for in vain, at most maxStrangers
}

// refusal is an answer about a key that is no schema.
type refusal struct {
	since time.Time // of the first one
	err   error     // nil as long as it is not believed
	until time.Time // how long it is
}

// believed is the answer about a key, as long as it is believed.
func (r *refusals) believed(key schemaKey) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if refusal := r.byKey[key]; time.Now().Before(refusal.until) {
		return refusal.err
	}
	return nil
}

// weigh takes down that a key is no schema. It says how long to wait before the registry is asked again; 0 when the
// answer is believed, as one that was so once is, and one about a schema that is there and invalid.
func (r *refusals) weigh(key schemaKey, err error, attempt int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	known, asked := r.byKey[key]
	if !asked && len(r.byKey) >= maxUnknown {
		clear(r.byKey)
	}
	if !asked || known.err == nil && now.Sub(known.since) > lookupWait+unknownFor { // who asked first gave up long ago
		known.since = now
	}
	left := lookupWait - now.Sub(known.since)
	waited := errors.Is(err, ErrUnknownSchema) && known.err == nil
	if waited && left > 0 && !r.tired(now) {
		r.byKey[key] = known
		return min(firstPause<<min(attempt, 10), left)
	}
	if waited && left <= 0 {
		r.strangers = append(r.strangers[max(0, len(r.strangers)-maxStrangers+1):], now)
	}
	known.err, known.until = err, now.Add(unknownFor)
	r.byKey[key] = known
	return 0
}

// tired says that strangers were waited for often enough.
func (r *refusals) tired(now time.Time) bool {
	r.strangers = slices.DeleteFunc(r.strangers, func(at time.Time) bool { return now.Sub(at) >= strangersFor })
	return len(r.strangers) >= maxStrangers
}
