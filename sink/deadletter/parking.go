package deadletter

import (
	"cmp"
	"crypto/md5"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// parkingLimit bounds how many identities are parked at once, to about 20 MB.
// What lanes and the dead-letter writer hold already may overshoot it.
const parkingLimit = 100_000

// ErrParkingFull says that no more identities can be parked.
var ErrParkingFull = errors.New("100,000 identities are parked (deadLetter.park): redrive or drop their dead letters")

// Parking knows the identities that have a dead letter which nobody has dealt
// with. Their later events follow it to the dead-letter topic, in order, until
// it is redriven or dropped. An identity is known by the hash of its partition
// key and by the source partition of its events. It is safe for concurrent use.
type Parking struct {
	count atomic.Int64 // len(spots), to be asked without the lock

	mu    sync.Mutex
	spots map[spot]*Parked
}

type spot struct {
	topic     string
	partition int
	key       identity
}

// identity is what HeaderParkedKey holds: the MD5 of the partition key.
type identity [md5.Size]byte

func identityOf(partitionKey string) identity { return md5.Sum([]byte(partitionKey)) }

// Parked is an identity that is parked, named by its dead letters.
type Parked struct {
	Topic     string    `json:"topic"` // of the source
	Partition int       `json:"partition"`
	First     Place     `json:"first"`   // its oldest dead letter
	Newest    Place     `json:"newest"`  // it is released once this one is dealt with
	Letters   int       `json:"letters"` // that are known
	Since     time.Time `json:"since"`
}

// Place is where a letter lies in the dead-letter topic.
type Place struct {
	Partition int   `json:"partition"`
	Offset    int64 `json:"offset"`
}

// NewParking knows of no identity yet.
func NewParking() *Parking { return &Parking{spots: make(map[spot]*Parked)} }

// Note parks the identity of a dead letter: key is the value of its header
// x-parked-key, topic and partition are those of its source. Other keys, and
// letters that are known, change nothing.
func (p *Parking) Note(topic string, partition int, key []byte, at Place, since time.Time) {
	if len(key) == len(identity{}) {
		p.note(spot{topic, partition, identity(key)}, at, since)
	}
}

func (p *Parking) note(s spot, at Place, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.spots[s]
	switch {
	case known == nil:
		p.spots[s] = &Parked{Topic: s.topic, Partition: s.partition, First: at, Newest: at, Letters: 1, Since: since}
		p.count.Store(int64(len(p.spots)))
	case known.Newest.Partition != at.Partition || known.Newest.Offset < at.Offset:
		known.Newest = at
		known.Letters++
	}
}

// Release ends the parking of every identity whose newest letter is dealt with.
func (p *Parking) Release(dealtWith func(Place) bool) (released int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, known := range p.spots {
		if dealtWith(known.Newest) {
			delete(p.spots, s)
			released++
		}
	}
	p.count.Store(int64(len(p.spots)))
	return released
}

// Some says that Release would release some.
func (p *Parking) Some(dealtWith func(Place) bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, known := range p.spots {
		if dealtWith(known.Newest) {
			return true
		}
	}
	return false
}

// Any says that an identity is parked; none is by a nil Parking.
func (p *Parking) Any() bool { return p != nil && p.count.Load() > 0 }

// Count is how many identities are parked.
func (p *Parking) Count() int { return int(p.count.Load()) }

// List returns those that have been parked for longest.
func (p *Parking) List(most int) []Parked {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Parked, 0, len(p.spots))
	for _, known := range p.spots {
		list = append(list, *known)
	}
	slices.SortFunc(list, func(a, b Parked) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.First.Partition, b.First.Partition), cmp.Compare(a.First.Offset, b.First.Offset))
	})
	return list[:min(most, len(list))]
}

// Holds says whether the identity that a partition key stands for is parked, of the
// message's source partition. A nil Parking parks none.
func (p *Parking) Holds(o *Origin, partitionKey string) bool {
	if !p.Any() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.spots[spotOf(o, partitionKey)]
	return ok
}

// full says whether there is no room for the identity of a letter.
func (p *Parking) full(l *Letter) bool {
	return p != nil && p.count.Load() >= parkingLimit && l.PartitionKey != "" && !p.Holds(l.Origin, l.PartitionKey)
}

// add parks the identity of a letter that was written.
func (p *Parking) add(l *Letter, at Place) {
	if p != nil && l.PartitionKey != "" {
		p.note(spotOf(l.Origin, l.PartitionKey), at, l.At)
	}
}

func spotOf(o *Origin, partitionKey string) spot {
	return spot{o.Topic, o.Partition, identityOf(partitionKey)}
}
