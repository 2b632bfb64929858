package flowservice

import (
	"context"

	"kinesis-destination/cmd/internal/control/documents"
)

// Prepare reads the documents of sandboxes as they are shown, before anybody asks: a
// list looks at all of them, and later each version is read once. Of 10,000 flows it
// takes less than a second, which the first page would take otherwise.
func (s *Service) Prepare(ctx context.Context, sandboxes []string) error {
	v, err := s.o.Store.View(ctx)
	if err != nil {
		return err
	}
	for _, sandbox := range sandboxes {
		for _, k := range []kind{s.connectionKind(), s.sourceKind(), s.targetKind(), s.flowKind()} {
			for _, e := range v.List(documents.Prefix(k.name, sandbox)) {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				_, _ = s.shown(k, nil, e) // what is wrong with a document is said to who asks for it
			}
		}
	}
	return nil
}
