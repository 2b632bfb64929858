package sources

import (
	"context"
	"errors"
	"sync"
	"time"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/rules"
	"kinesis-destination/schemas"
)

// newestFor is how long the newest schemas of a source are taken for the newest, and a
// registry that did not answer for one that is away: a policy judges a hundred flows of one
// source at once.
const newestFor = 5 * time.Second

// Schemas looks the schemas of sources up in their registries.
type Schemas struct {
	mu      sync.Mutex
	sources map[*Source]*lookup
}

type lookup struct {
	decoder *schemas.Decoder
	newest  []*schemas.Schema
	err     error     // of the last look; nil: newest are those
	at      time.Time // of the last look
}

func (s *Schemas) of(source *Source) (*lookup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.sources[source]; ok {
		return l, nil
	}
	decoder, err := schemas.NewDecoder(source.Config, rules.RegistryClient(nil))
	if err != nil {
		return nil, err
	}
	if s.sources == nil {
		s.sources = map[*Source]*lookup{}
	}
	l := &lookup{decoder: decoder}
	s.sources[source] = l
	return l, nil
}

// Newest are the newest schemas of a source's topics; with an error, those that were
// found before it.
func (s *Schemas) Newest(ctx context.Context, source *Source) ([]*schemas.Schema, error) {
	l, err := s.of(source)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	found, at, err := l.newest, l.at, l.err
	s.mu.Unlock()
	if time.Since(at) < newestFor {
		return found, err
	}
	c := config.Config{Source: config.Source{Kafka: source.Kafka, Config: source.Config}}
	found, err = rules.LabelSchemas(ctx, &c, l.decoder, nil)
	if !errors.Is(err, context.Canceled) { // it says nothing of the registry
		s.mu.Lock()
		l.newest, l.err, l.at = found, err, time.Now()
		s.mu.Unlock()
	}
	return found, err
}

// Subject is the newest schema of a subject of the source's registry.
func (s *Schemas) Subject(ctx context.Context, source *Source, subject string) (*schemas.Schema, error) {
	l, err := s.of(source)
	if err != nil {
		return nil, err
	}
	if l.decoder.Registry() == nil {
		return nil, errors.New("the source has no registry")
	}
	return l.decoder.Registry().Latest(ctx, subject)
}
