package embeddedkinesis

import (
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// Call is what a script sees of a call that is about to be answered.
type Call struct {
	Operation string
	At        time.Time
	Keys      []string // partition keys of PutRecords, in the order of the entries
}

// Drop says when the connection is cut instead of an answer.
type Drop int

// The ways to lose an answer.
const (
	DropNever  Drop = iota
	DropBefore      // nothing was stored
	DropAfter       // everything was stored: the caller cannot know
)

// Action is what happens to a call besides being answered.
type Action struct {
	Code        string        // refuse the whole call with this code
	Message     string        // its message; a default when empty
	Status      int           // its HTTP status; by the code when 0
	Drop        Drop          // cut the connection
	Delay       time.Duration // before anything is stored
	DelayAnswer time.Duration // after it was stored
	// Entry, when set, is asked for each entry of PutRecords: a code refuses it.
	Entry func(index int, key, shard string) string
}

func (a *Action) message() string {
	if a.Message != "" {
		return a.Message
	}
	return "scripted: " + a.Code
}

// Script decides what happens to a call. It may be called concurrently.
type Script func(Call) Action

// SetScript replaces the script. Nil ends all faults.
func (s *Server) SetScript(script Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Counters returns how often each fault was injected or limit was enforced,
// by its code ("drop-before" and "drop-after" for lost connections), and how
// often each operation was called.
func (s *Server) Counters() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counters)
}

func (s *Server) act(operation string, codec *codec, body []byte) Action {
	s.mu.Lock()
	script := s.script
	s.counters[operation]++
	s.mu.Unlock()
	if script == nil {
		return Action{}
	}
	c := Call{Operation: operation, At: time.Now()}
	if operation == "PutRecords" {
		var in putRecordsInput
		if codec.unmarshal(body, &in) == nil {
			for _, e := range in.Records {
				c.Keys = append(c.Keys, e.PartitionKey)
			}
		}
	}
	act := script(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case act.Drop == DropBefore:
		s.counters["drop-before"]++
	case act.Drop == DropAfter:
		s.counters["drop-after"]++
	case act.Code != "":
		s.counters[act.Code]++
	}
	return act
}

// Rates are probabilities, each between 0 and 1.
type Rates struct {
	Throttle   float64 // of an entry: ProvisionedThroughputExceededException
	Internal   float64 // of an entry: InternalFailure
	CallFails  float64 // of a PutRecords call: InternalFailure, nothing stored
	LostBefore float64 // of a PutRecords call: connection cut, nothing stored
	LostAfter  float64 // of a PutRecords call: connection cut, all stored
}

// Random returns a script that injects faults into PutRecords by chance.
func Random(seed uint64, rates Rates) Script {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0x6661756c7473))
	chance := func(p float64) bool {
		mu.Lock()
		defer mu.Unlock()
		return random.Float64() < p
	}
	return func(c Call) Action {
		if c.Operation != "PutRecords" {
			return Action{}
		}
		switch {
		case chance(rates.LostBefore):
			return Action{Drop: DropBefore}
		case chance(rates.LostAfter):
			return Action{Drop: DropAfter}
		case chance(rates.CallFails):
			return Action{Code: "InternalFailure"}
		}
		return Action{Entry: func(int, string, string) string {
			switch {
			case chance(rates.Throttle):
				return "ProvisionedThroughputExceededException"
			case chance(rates.Internal):
				return "InternalFailure"
			}
			return ""
		}}
	}
}
