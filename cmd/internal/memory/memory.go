package memory

import (
	"fmt"
	"math"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/consumer"
	"kinesis-destination/sink"
)

const (
	mib = 1 << 20
	// Default is what a process may take unless it is told otherwise.
	Default = 160 * mib

	// outside is what is resident and Go does not count: the program's own pages, and
	// what the kernel gives back a little later than Go does.
	outside = 30 * mib
	// fixed is what a process takes whatever its load is: the runtime, connections,
	// metrics, and what a call or a fetch allocates for a moment.
	fixed = 14 * mib
	// another is what each further destination takes beside its budgets: lanes, a
	// group's member, connections, metrics.
	another = 2 * mib
	// least is the least that is of use beside those: a batch, a request and a record of
	// the largest size that brokers and streams have unless they are told otherwise (1 MiB).
	least = 20 * mib
)

// The parts of what is left for the load, in hundredths. What they leave is the
// collector's: garbage that it has not found yet.
const (
	fetchedPart  = 25 // messages, from the answer that brings them until they are at rest
	queuedPart   = 13 // records until they are at rest
	callsPart    = 13 // requests under way and their answers
	schemasPart  = 6  // schemas, and as much again for the plans made of them
	identityPart = 6  // which event of each identity is the newest, in replays and backfills
)

// identityBytes is what an identity takes of the last one.
const identityBytes = 64

// Shares are what a process's memory is for, in bytes.
type Shares struct {
	Process   int64 // resident
	Collector int64 // Go's own limit: all that Go has from the system
	Fetched   int64
	Queued    int64
	Calls     int64
	Schemas   int64 // of one destination
	Newest    int   // identities, of one destination
}

// TooLittle is a process that may take less than it needs.
type TooLittle struct{ Process, Needed int64 }

func (e TooLittle) Error() string {
	return fmt.Sprintf("%s of memory is too little: %s are needed", Text(e.Process), Text(e.Needed))
}

// Needed is the least for so many destinations.
func Needed(destinations int) int64 {
	return outside + fixed + least + int64(destinations-1)*another
}

// DefaultOf is what a process of so many destinations may take unless it is told
// otherwise: one as a process of its own, and room for each further one.
func DefaultOf(destinations int) int64 { return Default + int64(destinations-1)*another }

// Fit is for how many destinations a process has room; collector as for Divide.
func Fit(process, collector int64) int {
	if collector < math.MaxInt64-outside {
		process = min(process, collector+outside)
	}
	return int((process-Needed(1))/another) + 1
}

// Divide finds what a process of so many destinations does with its memory.
// collector, unless it is larger, is a limit that Go was given by others (GOMEMLIMIT).
func Divide(process, collector int64, destinations int) (Shares, error) {
	if most := collector; most < math.MaxInt64-outside {
		process = min(process, most+outside)
	}
	if needed := Needed(destinations); process < needed {
		return Shares{}, TooLittle{process, needed}
	}
	load := process - outside - fixed - int64(destinations-1)*another
	of := func(part int64) int64 { return load / 100 * part }
	return Shares{
		Process: process, Collector: process - outside,
		Fetched: of(fetchedPart), Queued: of(queuedPart), Calls: of(callsPart),
		Schemas: of(schemasPart) / int64(destinations) / 2,
		Newest:  int(of(identityPart)) / destinations / identityBytes,
	}, nil
}

// LargestRecord is the largest event that is read whole: as it is, and as it was
// fetched, it fits what is fetched.
func (s Shares) LargestRecord() int64 { return s.Fetched / 2 }

// Budgets are what the destinations of a process take from together, and what each has
// for itself.
type Budgets struct {
	shares  Shares
	fetched *consumer.Budget
	queues  *sink.Memory
}

// Budgets makes the budgets of a process.
func (s Shares) Budgets() *Budgets {
	return &Budgets{s, consumer.NewBudget(s.Fetched, s.LargestRecord()), sink.NewMemory(int(s.Queued), int(s.Calls))}
}

// Give has a destination take from them.
func (b *Budgets) Give(c *config.Config) {
	c.Source.Kafka.Budget, c.Target.Kinesis.Memory = b.fetched, b.queues
	c.Source.Kept, c.NewestKept = int(b.shares.Schemas), b.shares.Newest
	c.DeadLetter.Largest = int(b.shares.LargestRecord())
}

// Apply gives all destinations of a process, and what is done with their
// configurations, the same budgets.
func (s Shares) Apply(configs []config.Config) {
	budgets := s.Budgets()
	for i := range configs {
		budgets.Give(&configs[i])
	}
}
