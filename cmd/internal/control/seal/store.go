package seal

import (
	"context"
	"errors"
	"fmt"

	"kinesis-destination/cmd/internal/control/journal"
)

// resealTries is how often a document that others change meanwhile is tried.
const resealTries = 10

// ResealStore reseals all documents of a store with the first key of the ring. It
// returns how many documents and secrets those were. What is in the journal before
// stays sealed with the keys before, until it is truncated.
func ResealStore(ctx context.Context, s *journal.Store, r *Ring, by string) (documents, secrets int, err error) {
	snapshot, fresh := s.Read(ctx)
	if !fresh.Fresh {
		return 0, 0, fmt.Errorf("the store is not at its log's end: %w", fresh.Why)
	}
	for _, d := range snapshot.List("") {
		n, err := resealOne(ctx, s, r, d, by)
		if err != nil {
			return documents, secrets, err
		}
		if n > 0 {
			documents, secrets = documents+1, secrets+n
		}
	}
	return documents, secrets, nil
}

func resealOne(ctx context.Context, s *journal.Store, r *Ring, d *journal.Document, by string) (int, error) {
	for try := 1; ; try++ {
		body, n, err := r.Reseal(d.Key, d.Body)
		if err != nil || n == 0 {
			return 0, err
		}
		_, err = s.Propose(ctx, journal.Change{
			Docs: []journal.Doc{{Key: d.Key, Base: d.Etag, Body: body}}, By: by, Why: "reseal with key " + r.keys[0].id,
		})
		if _, changed := errors.AsType[*journal.ConflictError](err); !changed || try == resealTries {
			if err != nil {
				return 0, fmt.Errorf("reseal %s: %w", d.Key, err)
			}
			return n, nil
		}
		now, _ := s.Read(ctx)
		var there bool
		if d, there = now.Get(d.Key); !there {
			return 0, nil
		}
	}
}

// OpensAll returns an error for each sealed value of a store that the ring does not open.
func OpensAll(s *journal.Snapshot, r *Ring) error {
	var all []error
	for _, d := range s.List("") {
		err := Each(d.Body, func(field string, v Sealed) error {
			if _, err := r.Open(d.Key, field, v); err != nil {
				all = append(all, err)
			}
			return nil
		})
		if err != nil {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
