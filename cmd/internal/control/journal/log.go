package journal

import (
	"context"
	"errors"
	"fmt"
)

// Record is what stands at an offset of the log.
type Record struct {
	Offset int64
	Value  []byte
	// Damage is what is wrong with a record whose bytes are not what was written.
	Damage error
}

func (r *Record) parse() (*entry, error) {
	if r.Damage != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, r.Damage)
	}
	return parse(r.Value)
}

// appendLog keeps records in order, each at the next offset: a topic of Kafka, or
// a file. Its methods are called beside each other, Append one at a time.
type appendLog interface {
	// Check says whether the log is kept as a journal must be, and creates it where
	// that is asked for and there is none. An *unfit error says what is wrong with it.
	Check(ctx context.Context, create bool) error
	// Bounds are the offsets of the first record and behind the last one, at some
	// time after the call.
	Bounds(ctx context.Context) (first, end int64, err error)
	// Read returns records from an offset on. Where there is none it waits for a
	// moment, and returns none. errOutside: the log does not have the offset.
	Read(ctx context.Context, from int64) ([]Record, error)
	// Append writes records, all or none. nil: they are there. errRefused: they are
	// not, and will not be. errNotYet: they are not, and may be tried again. Anything
	// else: they may be, or may come to be.
	Append(ctx context.Context, keys []string, records [][]byte) error
	// Truncate lets go of what is before an offset.
	Truncate(ctx context.Context, before int64) error
	Close() error
}

var (
	errOutside = errors.New("the log does not have this offset")
	errRefused = errors.New("the log refuses it")
	errNotYet  = errors.New("the log does not take it now")
)

// unfit is what is wrong with a log, and what to do.
type unfit struct {
	why     string
	missing bool // there is none
}

func (u *unfit) Error() string { return u.why }
